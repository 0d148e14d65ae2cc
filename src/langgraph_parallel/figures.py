"""Reports as pictures, with matplotlib: `pip install 'langgraph-parallel[plot]'`.

The pictures have no background of their own and tell themselves apart from a white page and from a
black one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.picture import COLOURS, DECISION, GREY, Picture, bar, frame, short
from langgraph_parallel.wording import (
    branch_names,
    branch_note,
    decided_at,
    end_of,
    is_tripped,
    more_text,
    one_line,
    report_of,
    section_row,
    visible_aggregate,
)

NAMED = 40
"""Branches of which each is named; of more, as many at equal distances."""

ROWS = 100
"""Sections that have a row of their own in a table."""

_WIDTH = 8.0
_WIDTHS = (22, 11, 9, 15, 65)
"""Characters of a table's columns, and of the texts in them."""
_TEXTS = tuple(width - 2 for width in _WIDTHS)


def draw(report: Mapping[str, Any]) -> list[Picture]:
    """Draw a report: its timeline, and then the votes, or the sections as a table.

    Args:
        report: The `report` of any pattern, also one that an error carries.

    Example:
        ```python
        for picture in draw(result["report"]):
            display(picture)
        ```
    """
    report = report_of(report)
    pictures = [draw_timeline(report)]
    if "counts" in report:
        pictures.append(draw_votes(report))
    elif report.get("pattern") == "sectioning":
        pictures.append(draw_sections(report))
    return pictures


def draw_timeline(report: Mapping[str, Any]) -> Picture:
    """Draw what ran when: a bar per branch, and the moment of the decision or verdict.

    A thin line is the time until a branch began, the bar its work, pale until the first token of a
    streamed answer; the bar of a call that was cancelled is hatched. An aggregate that took time,
    such as a synthesis, is the last bar.

    Args:
        report: The `report` of any pattern, also one that an error carries.

    Returns:
        A figure, which a notebook shows and `savefig` writes.

    Example:
        ```python
        draw_timeline(result["report"]).savefig("timeline.png", transparent=True)
        ```
    """
    report = report_of(report)
    aggregate = visible_aggregate(report)
    branches = [*_branches(report), *aggregate]
    rows = max(len(branches), 1)
    height = 1.1 + 0.3 * (rows if rows <= NAMED else NAMED * (1 + rows / 1000))
    figure = Picture(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    end = max(end_of(report), 1e-3)
    for row, branch in enumerate(branches):
        _draw_branch(axes, row, report, branch, end=end, is_named=rows <= NAMED)
    step = 1 if rows <= NAMED else -(-rows // NAMED)
    places = list(range(0, len(branches), step))
    if aggregate:  # named, whichever others are
        places = [*(place for place in places if place < rows - step), rows - 1]
    names = [*branch_names(_branches(report)), *(part["name"] for part in aggregate)]
    axes.set_yticks(places, labels=[short(names[place]) for place in places])
    axes.set_ylim(rows - 0.4, -0.6)
    moment = decided_at(report)
    if moment is not None:
        axes.axvline(moment, color=DECISION, lw=1.4)
        axes.annotate(
            _decision(report),
            (moment, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            color=DECISION,
            annotation_clip=False,
        )
    frame(axes, "seconds")
    axes.set_xlim(0, end * 1.02)
    return figure


def draw_votes(report: Mapping[str, Any]) -> Picture:
    """Draw the votes of each label as a bar, and how many would have ended the vote.

    Args:
        report: The `report` of a vote.

    Returns:
        A figure, which a notebook shows and `savefig` writes.

    Raises:
        ValueError: The report is of another pattern.

    Example:
        ```python
        draw_votes(result["report"]).savefig("votes.png", transparent=True)
        ```
    """
    report = report_of(report)
    if "counts" not in report:
        raise ValueError(
            f"A report of {report.get('pattern')!r} has no votes. Give the report of a voting "
            "graph: result['report']."
        )
    counts: Mapping[str, int] = report["counts"]
    ordered = sorted(counts.items(), key=lambda item: -item[1])[:NAMED]
    figure = Picture(figsize=(_WIDTH, 1.2 + 0.34 * max(len(ordered), 1)), layout="constrained")
    axes = figure.subplots()
    won = None if not report["decided"] else label(report["decision"])
    for row, (name, votes) in enumerate(ordered):
        colour = COLOURS["ok"] if name == won else COLOURS["cancelled"]
        axes.barh(row, votes, height=0.6, color=colour)
        axes.annotate(
            f"{votes}",
            (votes, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=GREY,
        )
    axes.set_yticks(range(len(ordered)), labels=[short(one_line(name)) for name, _ in ordered])
    axes.set_ylim(max(len(ordered), 1) - 0.4, -0.6)
    if report.get("threshold") is not None:
        axes.axvline(report["threshold"], color=DECISION, lw=1.4, ls="--")
    frame(axes, "votes" if len(counts) <= NAMED else f"votes; {len(counts) - NAMED} more labels")
    most = max([*counts.values(), report.get("threshold") or 0, 1])
    axes.set_xlim(0, most * 1.08)
    axes.set_xticks(range(0, most + 1, max(1, most // 8)))
    return figure


def draw_sections(report: Mapping[str, Any]) -> Picture:
    """Draw the sections as a table: how each ended, what it took, and what it gave.

    Args:
        report: The `report` of a sectioning graph.

    Returns:
        A figure, which a notebook shows and `savefig` writes.

    Raises:
        ValueError: The report is of another pattern.

    Example:
        ```python
        draw_sections(result["report"]).savefig("sections.png", transparent=True)
        ```
    """
    report = report_of(report)
    if report.get("pattern", "sectioning") != "sectioning":
        raise ValueError(
            f"A report of {report['pattern']!r} has no sections. Give the report of a sectioning "
            "graph: result['report']."
        )
    branches = _branches(report)
    names = branch_names(branches)
    rows = [section_row(*item) for item in zip(names[:ROWS], branches, strict=False)]
    cells = [[short(text, width) for text, width in zip(row, _TEXTS, strict=True)] for row in rows]
    if len(branches) > ROWS:
        cells.append([short(more_text(branches[ROWS:]), 60), "", "", "", ""])
    figure = Picture(figsize=(_WIDTH, 0.27 * (len(cells) + 1)), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    table = axes.table(
        [["section", "status", "time", "tokens", "result"], *cells],
        colWidths=[width / sum(_WIDTHS) for width in _WIDTHS],
        cellLoc="left",
        edges="horizontal",
        bbox=Bbox.unit(),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(7.5)
    for (row, column), cell in table.get_celld().items():
        status = branches[row - 1]["status"] if 0 < row <= len(rows) and column == 1 else ""
        cell.PAD = 0.5 / _WIDTHS[column]  # in widths of the cell: half a character
        cell.get_text().set_fontfamily("monospace")  # so that what is cut by characters fits
        cell.get_text().set_color(COLOURS.get(status, GREY))
        cell.set_edgecolor(GREY)
        cell.set_linewidth(0.3)
    figure.patch.set_alpha(0.0)
    return figure


def _draw_branch(
    axes: Axes,
    row: int,
    report: Mapping[str, Any],
    branch: Mapping[str, Any],
    *,
    end: float,
    is_named: bool,
) -> None:
    note = branch_note(report, branch)
    colour = COLOURS.get("error" if is_tripped(report, branch) else branch["status"], GREY)
    bar(axes, row, branch, colour, end)
    if is_named:
        note = note or ("" if branch["status"] == "ok" else branch["status"])
        axes.annotate(
            short(note),
            (1.0, row),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=GREY,
        )


def _decision(report: Mapping[str, Any]) -> str:
    if "verdict" in report:
        return str(report["verdict"]).replace("_", " ")
    return short(one_line(label(report["decision"])) if report["decided"] else "no decision")


def _branches(report: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return report.get("branches") or []
