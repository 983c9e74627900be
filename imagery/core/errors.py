"""Errors that a person can act on.

Every message names the file or value at fault and says what to do. The command prints it in one or two lines and exits
with the error's `exit_code`; a traceback appears only with `--debug`.
"""

__all__ = ["BadInputError", "LinkError", "NotEnoughDataError", "OutputError", "SkyReliefError"]


class SkyReliefError(Exception):
    """Base of every error that is explained to the user."""

    exit_code = 2


class BadInputError(SkyReliefError):
    """A file, option or value that cannot be used (exit code 2)."""

    exit_code = 2


class OutputError(SkyReliefError):
    """A place that cannot be written to (exit code 2): no fault of any input, so that nothing goes on without the output."""

    exit_code = 2


class LinkError(SkyReliefError):
    """The vehicle or the link to it refused, failed or is in doubt (exit code 3)."""

    exit_code = 3


class NotEnoughDataError(SkyReliefError):
    """The input is readable but too little of it is there to answer (exit code 4)."""

    exit_code = 4
