"""The frontier as a picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voting.frontier import Row
from voting.specs import ALL, DEFAULT

TARGET = Path(__file__).parents[2] / "static" / "voting-frontier.png"

GREY = "#7f8790"  # tells itself apart from a white page and from a black one
FAMILIES = {
    "fixed": ("#8c959f", "o"),
    "ahead by": ("#2f81f7", "s"),
    "beta": ("#e0782f", "^"),
    "settled of": ("#2da44e", "D"),
}
"""The stops that are drawn, with their colours and marks."""


def draw(rows: Sequence[Row], target: Path = TARGET) -> None:
    """Draw accuracy and agreement with all samples over mean calls, a point per stop.

    Args:
        rows: The stops, as means over the data sets.
        target: Where to write the PNG.
    """
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _axes(left, "Accuracy against counting all 39 votes (points)")
    _axes(right, "Decisions that are those of all 39 votes (%)")
    left.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    for family, (colour, mark) in FAMILIES.items():
        drawn = [row for row in rows if row.stop.startswith(family) or row.stop == ALL]
        shown = [row for row in drawn if row.stop != ALL or family == "fixed"]
        calls = [row.calls for row in shown]
        for axes, heights in (
            (left, [100 * row.change for row in shown]),
            (right, [100 * row.same for row in shown]),
        ):
            axes.plot(calls, heights, mark, ls="-", lw=1.2, ms=5, color=colour, label=family)
            for row, height in zip(shown, heights, strict=True):
                _name(axes, row, height, family, colour)
    for row in rows:
        if row.stop == DEFAULT:
            for axes, height in ((left, 100 * row.change), (right, 100 * row.same)):
                axes.plot([row.calls], [height], "*", ms=13, color="#bf3989", label=DEFAULT)
    figure.legend(
        *right.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(FAMILIES) + 1,
        frameon=False,
        labelcolor=GREY,
    )
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=150, transparent=True, metadata={"Software": None})


def _axes(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_xticks([2, 3, 5, 10, 20, 40], labels=["2", "3", "5", "10", "20", "40"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("mean calls", color=GREY)
    axes.set_title(title, color=GREY, fontsize=11)
    axes.tick_params(colors=GREY)
    axes.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(GREY)


def _name(axes: Axes, row: Row, height: float, family: str, colour: str) -> None:
    text = "all" if row.stop == ALL else row.stop.removeprefix(family).strip()
    is_above = family in {"beta", "ahead by"}
    axes.annotate(
        text,
        (row.calls, height),
        xytext=(0, 6 if is_above else -13),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=colour,
    )
