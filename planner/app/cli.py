"""The `skyrelief` command. A command's module is imported only when that command runs, so that each starts fast."""

import sys
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version

__all__ = ["main"]

# What `skyrelief --help` says of each command. Its function is `run_command` in planner.app.commands.<name with _ for ->.
COMMANDS = {
    "demo": "The whole loop, simulated, on bundled data.",
    "plan": "Plan a survey of an area: flights, missions, summary.",
    "brief": "One printed A4 page per flight of a plan.",
    "upload": "Upload a flight's mission, fence and rally points, read back, compare.",
    "fly": "Preflight, upload, arm (asks), fly and watch a flight.",
    "gaps": "What a flown survey missed, as a new plan.",
    "resume": "Fly only what is missing of a flight.",
    "watch": "Live telemetry of a vehicle.",
    "geotag": "Give photos their places from a flight's log.",
    "stitch": "Photos to an orthomosaic and a surface model.",
    "damage": "Grade buildings by damage.",
    "damage-ask": "The buildings most worth looking at.",
    "damage-train": "Train the shipped damage grader anew from generated worlds.",
    "sites": "Find tent sites and lay them out.",
    "needs": "Displaced persons and what to order for them.",
    "report": "One page on the whole response.",
    "sitl": "A simulated vehicle to fly.",
}


def usage() -> str:
    """The text of `skyrelief --help`."""
    rows = "\n".join(f"  {name:<14}{text}" for name, text in COMMANDS.items())
    return (
        "usage: skyrelief COMMAND ...\n\n"
        "From a disaster-area polygon to a flown drone survey, an orthomosaic, damaged structures and tent sites.\n\n"
        f"{rows}\n\n"
        "`skyrelief COMMAND --help` tells a command's options. Exit codes: 0 done, 1 some of a batch failed, 2 bad input,\n"
        "3 vehicle or link, 4 not enough data to answer, 130 stopped with Ctrl-C."
    )


def main() -> None:
    """Entry point of the `skyrelief` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "help"):
        print(usage())
    elif name == "--version":
        print(f"skyrelief {version('skyrelief')}")
    elif name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=2)
        hint = f": did you mean {' or '.join(near)}?" if near else "; `skyrelief --help` lists them"
        print(f"skyrelief: there is no command {name!r}{hint}", file=sys.stderr)
        raise SystemExit(2)
    else:
        run(name, sys.argv[2:])


def run(name: str, arguments: list[str]) -> None:
    """Run one command with its arguments; ends with SystemExit."""
    import typer

    single = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    module = import_module(f"planner.app.commands.{name.replace('-', '_')}")
    single.command(name)(module.run_command)
    typer.main.get_command(single)(args=arguments, prog_name=f"skyrelief {name}")


if __name__ == "__main__":
    main()
