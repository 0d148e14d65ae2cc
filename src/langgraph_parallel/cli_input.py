"""What the commands read: files, arguments and standard input."""

import sys
from pathlib import Path

from langgraph_parallel.cli_show import is_terminal
from langgraph_parallel.errors import SetupError

STDIN = "-"
MAX_BYTES = 10_000_000


def read_file(path: str) -> str:
    """Read a text file.

    Args:
        path: Its path; `-` for standard input.

    Raises:
        SetupError: It is missing, unreadable, empty, too large or no text.
    """
    if path == STDIN:
        return _read_stdin()
    if not path:
        raise SetupError("The path of the file is empty. Give the path of a text file, or -.")
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SetupError(
            f"There is no file {path!r}. Give the path of a text file, or -."
        ) from None
    except IsADirectoryError:
        raise SetupError(f"{path!r} is a folder. Give the path of one text file.") from None
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise SetupError(f"{path!r} cannot be read: {reason}. Give a readable text file.") from None
    return _text(data, repr(path))


def read_text(text: str | None, what: str = "text") -> str:
    """Take a text from an argument, or from standard input.

    Args:
        text: The argument; `-` or `None` for standard input.
        what: What it is, for messages.

    Raises:
        SetupError: There is none, or it is empty, too large or no text.
    """
    if text is None and (sys.stdin is None or is_terminal(sys.stdin)):
        raise SetupError(f"No {what} was given. Give it as an argument, or pipe it in.")
    if text is None or text == STDIN:
        return _read_stdin()
    return _text(text.encode("utf-8", "surrogateescape"), f"The {what}")


def _read_stdin() -> str:
    if sys.stdin is None:
        raise SetupError("Standard input is closed. Give the text as an argument, or pipe it in.")
    return _text(sys.stdin.buffer.read(MAX_BYTES + 1), "Standard input")


def _text(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise SetupError(
            f"{source} is larger than {MAX_BYTES // 1_000_000} MB, more than any model reads at "
            "once. Give a part of it."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SetupError(
            f"{source} is not UTF-8 text (byte {error.start} is {data[error.start]:#04x}). Give a "
            "text file, converted to UTF-8 if need be."
        ) from None
    if "\0" in text:
        raise SetupError(
            f"{source} is binary: it has a NUL at byte {data.index(0)}. Give a text file."
        )
    if not text.strip():
        raise SetupError(f"{source} is empty. Give some text.")
    return text
