"""A picture of matplotlib, in colours that a white page and a black one show."""

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import Any

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from langgraph_parallel.columns import cut

GREY = "#7f8790"
COLOURS = {"ok": "#2f81f7", "error": "#d1453b", "timeout": "#e0782f", "cancelled": "#8c959f"}
"""By status of a branch."""
DECISION = "#bf3989"

_HAIRLINE = 0.004
"""Of the whole time: the narrowest bar."""
_FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Fonts with East Asian characters, which matplotlib's own has not."""


class Picture(Figure):
    """A matplotlib figure that notebooks show without further ado."""

    def draw(self, renderer: Any) -> None:
        """Draw it, with fonts of this machine for what the usual one lacks.

        A character that no font has is a box, without a warning for each.
        """
        fallbacks = _fallbacks()
        for text in self.findobj(Text):
            families = text.get_fontfamily()
            missing = [name for name in fallbacks if name not in families]
            text.set_fontfamily([*families, *missing])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        target = BytesIO()
        self.savefig(target, format="png", dpi=110)
        return target.getvalue()


def bar(axes: Axes, row: int, branch: Mapping[str, Any], colour: str, end: float) -> None:
    """Draw the waiting and the work of a branch, a bar that can be told from the axis."""
    start = branch["started"]
    stop = start + max(branch["seconds"], end * _HAIRLINE)
    axes.plot([0, start], [row, row], color=GREY, lw=0.8, alpha=0.6)
    is_cancelled = branch["status"] == "cancelled"
    token = min(max(branch.get("first_token", start), start), stop)
    parts = [(start, token, 0.35)] if token > start else []
    for left, right, alpha in (*parts, (token, stop, 1.0)):
        axes.barh(
            row,
            right - left,
            left=left,
            height=0.62,
            color="none" if is_cancelled else colour,
            edgecolor=colour,
            hatch="////" if is_cancelled else None,
            lw=0.8,
            alpha=alpha,
        )


def frame(axes: Axes, unit: str) -> None:
    """Give axes their unit, thin lines and no background."""
    for patch in (axes.patch, axes.figure.patch):
        patch.set_alpha(0.0)
    axes.set_xlabel(unit, color=GREY)
    axes.tick_params(colors=GREY, labelsize=9)
    axes.grid(visible=True, axis="x", color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in {"left", "bottom"})
        spine.set_color(GREY)


def short(text: str, longest: int = 28) -> str:
    """Cut a text, in which a dollar sign does not begin a formula."""
    return cut(text, longest).replace("$", r"\$")


@cache
def _fallbacks() -> Sequence[str]:
    """Give the fallbacks that this machine has."""
    return sorted(set(_FALLBACKS) & set(font_manager.get_font_names()), key=_FALLBACKS.index)
