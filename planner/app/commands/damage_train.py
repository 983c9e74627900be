"""`skyrelief damage-train`: train the shipped damage grader anew from generated worlds."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imagery.core.errors import BadInputError
from planner.app.run import Run, command

__all__ = ["run_command"]


@command
def run_command(
    run: Run,
    out: Annotated[Path, typer.Option("-o", "--out", help="Model file (JSON) to write.")],
    events: Annotated[int, typer.Option(help="Simulated events to train on.")] = 18,
    seed: Annotated[int, typer.Option(help="Seed of the first event.")] = 1000,
    workers: Annotated[int, typer.Option(help="Processes; each needs about 1.5 GB of memory.")] = 1,
) -> dict[str, Any]:
    """Simulate events, measure their buildings and fit a grader for every set of inputs."""
    from planner.app.train import train, training_events

    if events < 4:
        raise BadInputError(f"--events {events}: 4 or more are needed, one of each disaster")
    if workers < 1:
        raise BadInputError(f"--workers {workers}: give 1 or more")
    said = f"skyrelief damage-train --events {events} --seed {seed} -o {out.name}"
    provenance = train(training_events(events, seed), out, said, workers, run.progress)
    run.say(f"{provenance['buildings']} buildings of {events} events; by grade {provenance['by_grade']}")
    for name, figures in provenance["on_training_buildings"].items():
        run.say(f"  {name:<24} accuracy {figures['accuracy']:.3f}  macro-F1 {figures['macro_f1']:.3f}")
    run.say(f"wrote {out}")
    return provenance
