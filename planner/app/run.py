"""What every command shares: progress on standard error, `--json` on standard output, errors as sentences, exit codes."""

import functools
import inspect
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from imagery.core.errors import SkyReliefError
from imagery.core.files import DISK_REASONS, to_json
from imagery.core.progress import Progress

__all__ = ["Run", "command"]

SAME_INTERRUPT_S = 0.5
JSON_OPTION = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
DEBUG_OPTION = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _advance(bar: Any, task: Any, steps: float = 1.0) -> None:
    bar.update(task, advance=steps)


def _ignore(steps: float = 1.0) -> None:
    pass


class ConsoleProgress(Progress):
    """Progress on standard error: a live bar with rate and time left on a terminal, a line at each end elsewhere."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def stage(self, title: str, total: float | None = None, unit: str = "") -> Iterator[Callable[..., None]]:
        from rich.console import Console

        console = Console(stderr=True)
        start = time.monotonic()
        self._depth += 1
        try:
            if console.is_terminal and self._depth == 1:
                with self._bar(console) as bar:
                    task = bar.add_task(title, total=total, unit=unit)
                    yield functools.partial(_advance, bar, task)
            else:
                yield _ignore
                if self._depth == 1:
                    count = f", {total:g} {unit}".rstrip() if total is not None else ""
                    print(f"{title}: done in {time.monotonic() - start:.1f} s{count}", file=sys.stderr, flush=True)
        finally:
            self._depth -= 1

    @staticmethod
    def _bar(console: Any) -> Any:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        return RichProgress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )

    def note(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    def warn(self, message: str) -> None:
        print(f"warning: {message}", file=sys.stderr, flush=True)


class Run:
    """One run of a command.

    Attributes: progress: where long work reports; json: whether the result is wanted as JSON; exit_code: set it to end with
    another code than 0 without an error message (1: some of a batch failed).
    """

    def __init__(self, json: bool = False, debug: bool = False) -> None:
        self.progress: Progress = ConsoleProgress()
        self.json = json
        self.debug = debug
        self.exit_code = 0

    def say(self, text: str = "") -> None:
        """A line for a person on standard output; silent with --json."""
        if not self.json:
            print(text)


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """One Ctrl-C interrupts once: `timeout` and some terminals deliver it twice, and the second would spoil the clean-up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -math.inf

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > SAME_INTERRUPT_S:
            raise KeyboardInterrupt

    former = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def command(function: Callable[..., dict[str, Any] | None]) -> Callable[..., None]:
    """Make a command of `function(run, ...)`, whose dict result is what `--json` prints.

    Adds --json and --debug; turns a SkyReliefError into one message and its exit code, and Ctrl-C into exit code 130.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, json_: bool = False, debug: bool = False, **options: Any) -> None:
        run = Run(json_, debug)
        try:
            with _one_interrupt():
                result = function(run, *args, **options)
            if run.json and result is not None:
                print(to_json(result))
        except SkyReliefError as error:
            if debug:
                raise
            print(f"skyrelief: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print(
                "skyrelief: stopped; nothing half-made was left (`stitch` goes on from its last step)", file=sys.stderr
            )
            raise typer.Exit(130) from None
        except OSError as error:
            if debug or error.errno not in DISK_REASONS:
                raise
            print(f"skyrelief: {error.filename or 'output'}: {DISK_REASONS[error.errno]}", file=sys.stderr)
            raise typer.Exit(2) from None
        if run.exit_code:
            raise typer.Exit(run.exit_code)

    signature = inspect.signature(function, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name != "run"]
    flag = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY, default=False)
    added = [flag("json_", annotation=JSON_OPTION), flag("debug", annotation=DEBUG_OPTION)]
    wrapper.__signature__ = signature.replace(parameters=own + added, return_annotation=None)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in own + added}
    return wrapper
