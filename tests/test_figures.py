"""Reports as pictures."""

from itertools import combinations
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from langgraph_parallel import Section, Voter, create_guardrail, create_sectioning, create_voting
from langgraph_parallel.figures import NAMED, draw_timeline, draw_votes
from langgraph_parallel.nodes.guard import Guard


def sections(number: int) -> dict[str, Any]:
    parts = [Section(f"part {i}", run=lambda _: "done") for i in range(number)]
    return dict(create_sectioning(parts).invoke({"input": "x"})["report"])


def votes(ballots: str, **options: Any) -> dict[str, Any]:
    voters = [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate(ballots)]
    graph = create_voting(voters, rule="plurality", stop=f"fixed_{len(ballots)}", **options)
    return dict(graph.invoke({"input": "x"})["report"])


def guarded(*, trips: bool) -> dict[str, Any]:
    guards = [Guard("harm", run=lambda _: trips), Guard("tone", run=lambda _: False)]
    graph = create_guardrail(str.upper, guards)
    return dict(graph.invoke({"input": "x"})["report"])


def texts(figure: Figure) -> list[str]:
    (axes,) = figure.axes
    shown = [*axes.texts, *axes.get_yticklabels()]
    return [text.get_text() for text in shown]


def has_overlap(figure: Figure) -> bool:
    """Say whether two texts of a figure overlap, or one is cut off."""
    figure.set_dpi(100)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    shown = [text for text in (*axes.texts, *axes.get_yticklabels()) if text.get_text()]
    boxes = [text.get_window_extent() for text in shown]
    page = figure.bbox
    is_cut = any(box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 for box in boxes)
    return is_cut or any(one.overlaps(other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("number", [1, 3, 15, 100])
def test_each_branch_is_a_bar_and_names_do_not_overlap(number: int) -> None:
    figure = draw_timeline(sections(number))
    (axes,) = figure.axes
    assert len(axes.patches) == number
    assert 0 < len(axes.get_yticklabels()) <= NAMED
    assert not has_overlap(figure)


@pytest.mark.parametrize(("trips", "verdict"), [(True, "blocked"), (False, "passed")])
def test_the_verdict_is_a_line_with_its_name(trips: bool, verdict: str) -> None:
    figure = draw_timeline(guarded(trips=trips))
    assert {verdict, "harm", "tone", "respond"} <= set(texts(figure))
    assert ("tripped" in texts(figure)) == trips


def test_a_long_or_odd_name_is_shortened_and_never_a_formula() -> None:
    report = votes("$", options=None)
    report["branches"][0]["name"] = "a very long name of a voter $x^{$ who votes"
    figure = draw_timeline(report)
    assert "…" in texts(figure)[-1]
    assert not has_overlap(figure)


def test_votes_are_bars_with_the_stops_threshold() -> None:
    report = votes("aabac")
    figure = draw_votes(report)
    (axes,) = figure.axes
    bars: list[Any] = list(axes.patches)
    assert [bar.get_width() for bar in bars] == [3, 1, 1]
    assert texts(figure) == ["3", "1", "1", "a", "b", "c"]
    line: Any = axes.lines[0]
    assert line.get_xdata()[0] == report["threshold"] == 3
    assert not has_overlap(figure)


def test_an_undecided_vote_and_an_empty_report_are_drawn_too() -> None:
    report = {**votes("ab"), "decided": False, "decision": None, "counts": {}, "threshold": None}
    assert "no decision" in texts(draw_timeline(report))
    draw_votes(report)
    draw_timeline({"branches": [], "seconds": 0.0})


def test_only_votes_can_be_drawn_as_votes() -> None:
    with pytest.raises(ValueError, match="'sectioning' has no votes"):
        draw_votes(sections(1))
