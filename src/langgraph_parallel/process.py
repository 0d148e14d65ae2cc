"""The process of the command: its standard streams, whoever reads them, and its exit codes."""

import sys
from contextlib import suppress
from io import TextIOWrapper

FAILED, USAGE, FLAGGED, INTERRUPTED = 1, 2, 3, 130


def take_any_character() -> None:
    """Let standard output write `?` for what its encoding does not have.

    An answer that was paid for is not lost for a character. Standard error does so by itself.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def say(text: str = "") -> None:
    """Write a line to standard error, if somebody reads it."""
    with unread():
        if sys.stderr is not None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def unread() -> suppress:
    """Let go of what nobody can read: a full disk, a closed or broken standard error.

    Example:
        >>> with unread():
        ...     raise BrokenPipeError
    """
    return suppress(OSError, ValueError)
