"""The frontier as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from voting.frontier import Row
from voting.specs import ALL, DEFAULT

TARGET = Path(__file__).parents[2] / "static" / "voting-frontier.png"

GREY = "#7f8790"  # tells itself apart from a white page and from a black one
FAMILIES = {
    "fixed": ("#8c959f", "o", 5, (5, -9)),
    "ahead by": ("#2f81f7", "s", 5, (-7, 8)),
    "beta": ("#e0782f", "^", 6, (0, 10)),
    "settled of": ("#2da44e", "D", 5, (5, -9)),
    DEFAULT: ("#bf3989", "*", 12, (0, 0)),
}
"""The stops that are drawn: colour, mark, its size, and where its number stands."""

NAMES = {"settled of": "settled, of at most", DEFAULT: "default: ahead by 3, at most 15"}
"""What the legend calls them, if not by their names."""

LEFT = {
    "ahead by 4": (-8, -7),
    "ahead by 5": (-8, -7),
    "beta 0.9": (15, 2),
    "beta 0.95": (14, 6),
    "beta 0.99": (0, -10),
    "settled of 15": (12, 4),
}
"""Where numbers stand on the left, where lines come close."""


def draw(rows: Sequence[Row], target: Path = TARGET) -> None:
    """Draw accuracy and agreement with all samples over mean calls, a point per stop.

    Args:
        rows: The stops, as means over the data sets.
        target: Where to write the PNG.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _axes(left, "Accuracy against all 39 votes (points, ± standard error)")
    _axes(right, "Same decision as all 39 votes (%)")
    for family in FAMILIES:
        shown = [row for row in rows if _family(row) == family]
        _plot(left, family, shown, [100 * row.change for row in shown], LEFT)
        _plot(right, family, shown, [100 * row.same for row in shown], {})
        errors = [100 * row.error for row in shown]
        points = [row.calls for row in shown], [100 * row.change for row in shown]
        left.errorbar(*points, errors, fmt="none", ecolor=FAMILIES[family][0], lw=0.8, alpha=0.4)
    figure.legend(
        *right.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=len(FAMILIES),
        frameon=False,
        labelcolor=GREY,
    )
    target.parent.mkdir(exist_ok=True)
    figure.savefig(target, dpi=150, transparent=True, metadata={"Software": None})


def _family(row: Row) -> str:
    """Name the family of a stop; to count all is to count a fixed number."""
    stop = row.stop.replace(ALL, "fixed")
    return next((family for family in FAMILIES if stop.startswith(family)), "")


def _plot(
    axes: Axes,
    family: str,
    rows: Sequence[Row],
    heights: Sequence[float],
    places: Mapping[str, tuple[int, int]],
) -> None:
    colour, mark, size, place = FAMILIES[family]
    calls = [row.calls for row in rows]
    name = NAMES.get(family, family)
    axes.plot(calls, heights, mark, ls="-", lw=1.2, ms=size, color=colour, label=name)
    for row, height in zip(rows, heights, strict=True):
        axes.annotate(
            "all" if row.stop == ALL else row.stop.removeprefix(family).strip(),
            (row.calls, height),
            xytext=places.get(row.stop, place),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color=colour,
        )


def _axes(axes: Axes, title: str) -> None:
    axes.set_xscale("log")
    axes.set_xticks([2, 3, 5, 10, 20, 40], labels=["2", "3", "5", "10", "20", "40"])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("mean calls", color=GREY)
    axes.set_title(title, color=GREY, fontsize=11)
    axes.tick_params(colors=GREY)
    axes.margins(0.07)
    axes.grid(visible=True, color=GREY, alpha=0.25, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(GREY)
