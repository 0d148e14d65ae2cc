"""Texts that fit the columns of a terminal."""

from collections.abc import Iterator, Sequence
from unicodedata import category, east_asian_width

_JOINER = "\u200d"  # joins emoji: what follows takes no room of its own
_AS_EMOJI = "\ufe0f"  # draws the character before it as an emoji, which is wide
_NO_WIDTH = {"Mn", "Me", "Cf"}


def cells_of(text: str) -> int:
    """Count the columns that a text takes: wide characters and emoji two, marks none.

    Example:
        >>> cells_of("word"), cells_of("日本"), cells_of("e\u0301"), cells_of("👩\u200d💻")
        (4, 4, 1, 2)
    """
    return sum(width for _, width in _widths(text))


def cut(text: str, width: int) -> str:
    """Shorten a text to a width.

    Example:
        >>> cut("a long name", 6), cut("short", 6)
        ('a lon…', 'short')
    """
    if cells_of(text) <= width:
        return text
    cells, kept = 0, ""
    for c, more in _widths(text):
        cells += more
        if cells > width - 1:
            break
        kept += c
    return kept + "…"


def fit_column(texts: Sequence[str], most: int) -> list[str]:
    """Cut texts to a width that holds them all if it can, and fill them up to it."""
    width = min(max(map(cells_of, texts), default=0), most)
    fitting = [cut(text, width) for text in texts]
    return [text + " " * (width - cells_of(text)) for text in fitting]


def wrapped(text: str, width: int) -> list[str]:
    """Break a text into lines of a width at most, all but the first indented.

    A word that is longer than a line is broken too.

    Example:
        >>> wrapped("one two three", 8)
        ['one two', '  three']
    """
    indent = "  "
    lines = [""]
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if cells_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1].strip():
            lines.append(indent)
        for c in word:
            if cells_of(lines[-1] + c) > width:
                lines.append(indent)
            lines[-1] += c
    return lines


def _widths(text: str) -> Iterator[tuple[str, int]]:
    """Give each character with the columns that it adds."""
    before, drawn = "", 0
    for c in text:
        if before == _JOINER or category(c) in _NO_WIDTH:
            width = 1 if c == _AS_EMOJI and drawn == 1 else 0
        else:
            width = drawn = 2 if east_asian_width(c) in "WF" else 1
        before = c
        yield c, width
