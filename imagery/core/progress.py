"""Progress of long work, independent of how it is shown.

Library functions take `progress: Progress = SILENT` and report through it; the command shows it with Rich, the console as
a bar, tests record it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["SILENT", "Progress"]


def _ignore(steps: float = 1.0) -> None:
    pass


class Progress:
    """Receives progress; this base class shows nothing.

    A stage is one named part of the work with a known number of steps (`total`), or None when unknown::

        with progress.stage("features", total=len(photos), unit="photos") as advance:
            for photo in photos:
                ...
                advance(1)
    """

    @contextmanager
    def stage(self, title: str, total: float | None = None, unit: str = "") -> Iterator[Callable[..., None]]:
        """Announce a stage and yield the function that advances it by a number of steps."""
        yield _ignore

    def note(self, message: str) -> None:
        """Something worth reading that is not a problem."""

    def warn(self, message: str) -> None:
        """Something that the user should know before relying on the result."""


SILENT = Progress()
