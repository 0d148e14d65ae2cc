"""Reports as rich text: a timeline, the votes as bars, sections as a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.columns import cells_of, cut, fit_column, wrapped
from langgraph_parallel.timeline import LINES, Role, timeline_lines
from langgraph_parallel.wording import (
    branch_names,
    more_text,
    one_line,
    problems,
    section_row,
)

STYLES: dict[Role, str] = {
    "plain": "",
    "quiet": "dim",
    "ok": "blue",
    "error": "red",
    "timeout": "yellow",
    "cancelled": "dim",
    "decision": "magenta",
}
"""By role of a piece: colours that a light and a dark terminal both show."""

Row = tuple[str, str, str, str, str]
_HEADINGS: Row = ("section", "status", "time", "tokens", "result")
_ASCII = str.maketrans("━─╍╌·│┼┿✗✓…", "=-~~.|++xv~")
_VOTES_WIDTH = 40
_NAME_WIDTH = 24
_RESULT_WIDTH = 16
"""Columns that a result has at least beside the other facts of its section."""
_GAP = 2
_MOST_COLUMNS = 100


class ReportView:
    """A report that rich draws as wide as the terminal is, up to 100 columns."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the timeline, then what the pattern has of its own."""
        width = min(options.max_width, _MOST_COLUMNS)
        for segment in console.render(Group(*self._parts(width)), options.update_width(width)):
            yield Segment(in_ascii(segment.text), segment.style) if options.ascii_only else segment

    def _parts(self, width: int) -> Iterator[RenderableType]:
        for line in timeline_lines(self.report, width):
            drawn = Text(no_wrap=True, overflow="crop")
            for text, role in line:
                drawn.append(text, STYLES[role])
            drawn.rstrip()
            yield drawn
        if self.report.get("counts"):
            yield votes(self.report, width)
        elif self.report.get("pattern") == "sectioning" and self.report.get("branches"):
            yield sections(self.report, width)
        if lines := problems(self.report):
            yield Text("\n".join(["", *lines]))


def votes(report: Mapping[str, Any], width: int) -> RenderableType:
    """Draw the votes of each label as a bar, up to the number that would have ended the vote.

    Args:
        report: The `report` of a vote.
        width: Columns there are.
    """
    counts: Mapping[str, int] = report["counts"]
    threshold = report.get("threshold")
    most = max([*counts.values(), threshold or 0, 1])
    won = label(report["decision"]) if report["decided"] else None
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    longest = min(_NAME_WIDTH, width // 3)
    names = fit_column([one_line(name) for name, _ in ordered[:LINES]], longest)
    room = width - max(map(cells_of, names)) - len(str(most)) - 3
    longest_bar = min(room, _VOTES_WIDTH)
    table = Table.grid(padding=(0, 1))
    for shown, (name, number) in zip(names, ordered, strict=False):
        cells = round(number * longest_bar / most)
        bar = Text("━" * cells, STYLES["ok" if name == won else "cancelled"])
        if threshold is not None:
            at = round(threshold * longest_bar / most)
            bar = bar + " " * (at - cells)
            bar = Text.assemble(bar[:at], ("│", STYLES["decision"]), bar[at:])
        table.add_row(Text(shown, no_wrap=True), bar, str(number))
    notes = [f"and {len(counts) - LINES} more"] if len(counts) > LINES else []
    notes += [] if threshold is None else [f"│ enough at {threshold}"]
    return Group("", table, *(Text(note, STYLES["quiet"]) for note in notes))


def in_ascii(text: str) -> str:
    """Draw with the characters that every terminal has.

    Example:
        >>> in_ascii("──━━│ größe…")
        '--==| gr??e~'
    """
    return text.translate(_ASCII).encode("ascii", "replace").decode()


def sections(report: Mapping[str, Any], width: int) -> RenderableType:
    """Draw the sections as a table: how each ended, what it took, what it gave.

    Where a result would have no room in the table, it has a line of its own.

    Args:
        report: The `report` of a sectioning graph, with branches.
        width: Columns there are.
    """
    branches: Sequence[Mapping[str, Any]] = report["branches"]
    names = fit_column(branch_names(branches)[:LINES], _NAME_WIDTH)
    rows = [section_row(name, branch) for name, branch in zip(names, branches, strict=False)]
    columns = zip(_HEADINGS, *rows, strict=True)
    taken = [max(map(cells_of, column)) + _GAP for column in columns]
    is_narrow = width - sum(taken[:-1]) < _RESULT_WIDTH
    drawn = _results(rows, width) if is_narrow else _table(rows, branches)
    more = [Text(more_text(branches[LINES:]), "dim")] if len(branches) > LINES else []
    return Group("", drawn, *more)


def _table(rows: Sequence[Row], branches: Sequence[Mapping[str, Any]]) -> Table:
    section, status, time, tokens, result = _HEADINGS
    table = Table(
        Column(section, no_wrap=True),
        Column(status),
        Column(time, justify="right"),
        Column(tokens, justify="right"),
        Column(result, no_wrap=True, overflow="ellipsis", ratio=1),
        box=None,
        expand=True,
        padding=(0, _GAP, 0, 0),
        pad_edge=False,
        header_style=STYLES["quiet"],
    )
    for row, branch in zip(rows, branches, strict=False):
        cells = [Text(cell) for cell in row]
        cells[1].stylize(STYLES[branch["status"]])
        table.add_row(*cells)
    return table


def _results(rows: Sequence[Row], width: int) -> Text:
    """Write the tokens and the result of each section; the timeline has the other facts."""
    lines: list[str] = []
    for name, _, _, tokens, result in rows:
        lines += wrapped(f"{name.rstrip()}: tokens {tokens}", width)
        lines.append(f"  {cut(result, width - 2)}".rstrip())
    return Text("\n".join(lines))
