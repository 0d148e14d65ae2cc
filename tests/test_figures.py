"""Reports as pictures."""

import io
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from langgraph_parallel import (
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
    median,
    picture,
)
from langgraph_parallel.figures import (
    NAMED,
    ROWS,
    draw,
    draw_sections,
    draw_timeline,
    draw_votes,
)
from langgraph_parallel.nodes.guard import Guard
from langgraph_parallel.picture import COLOURS


def sections(number: int) -> dict[str, Any]:
    parts = [Section(f"part {i}", run=lambda _: "done") for i in range(number)]
    return dict(create_sectioning(parts).invoke({"input": "x"})["report"])


def votes(ballots: str, **options: Any) -> dict[str, Any]:
    voters = [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate(ballots)]
    options = {"stop": f"fixed_{len(ballots)}", **options}
    graph = create_voting(voters, rule="plurality", **options)
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


def branch(name: str, **parts: Any) -> dict[str, Any]:
    return {"name": name, "status": "ok", "started": 0.0, "seconds": 1.0, **parts}


def pixels(figure: Figure, colour: str) -> int:
    """Count the pixels of a colour, in a picture of 800 columns."""
    figure.set_dpi(100)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    wanted = [round(255 * part) for part in to_rgb(colour)]
    return int((np.asarray(canvas.buffer_rgba())[:, :, :3] == wanted).all(axis=2).sum())


@pytest.mark.parametrize("started", [0.0, 50.0, 99.999])
def test_a_branch_that_took_no_time_to_speak_of_still_shows(started: float) -> None:
    figure = draw_timeline(
        {"branches": [branch("a", started=started, seconds=0.001)], "seconds": 100}
    )
    assert pixels(figure, COLOURS["ok"]) > 10


@pytest.mark.parametrize("number", [1, 100])
def test_a_synthesis_is_the_last_bar(number: int) -> None:
    branches = [branch(f"part {i}") for i in range(number)]
    synthesis = {"status": "ok", "started": 1.0, "seconds": 3.0}
    figure = draw_timeline({"branches": branches, "aggregate": synthesis, "seconds": 4.0})
    (axes,) = figure.axes
    bar: Any = axes.patches[-1]
    assert (bar.get_x(), bar.get_width(), len(axes.patches)) == (1.0, 3.0, number + 1)
    assert axes.get_yticklabels()[-1].get_text() == "aggregate"
    assert axes.get_yticks()[-1] == number
    assert not has_overlap(figure)


def test_a_merge_that_took_no_time_has_no_bar() -> None:
    merge = {"status": "ok", "started": 1.0, "seconds": 0.019}
    (axes,) = draw_timeline({"branches": [branch("a")], "aggregate": merge, "seconds": 1.0}).axes
    assert len(axes.patches) == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bounds", [None, "tight"])
def test_characters_that_no_font_has_come_without_a_warning_each(bounds: Any) -> None:
    report = {"pattern": "sectioning", "branches": [branch("名前\U00012000", output="結果")]}
    for figure in draw(report):
        figure.savefig(io.BytesIO(), bbox_inches=bounds)


def test_fonts_of_the_machine_help_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "_FALLBACKS", ("No Such Font", "STIXGeneral"))
    picture._fallbacks.cache_clear()
    figure = draw_timeline({"branches": [branch("a")]})
    figure.savefig(io.BytesIO())
    picture._fallbacks.cache_clear()
    families = figure.axes[0].get_yticklabels()[0].get_fontfamily()
    assert families[-1] == "STIXGeneral"
    assert "No Such Font" not in families


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
    report = votes("aabca", stop="first_to_3")
    figure = draw_votes(report)
    (axes,) = figure.axes
    bars: list[Any] = list(axes.patches)
    assert [bar.get_width() for bar in bars] == [3, 1, 1]
    assert texts(figure) == ["3", "1", "1", "a", "b", "c"]
    line: Any = axes.lines[0]
    assert line.get_xdata()[0] == report["threshold"] == 3
    assert not has_overlap(figure)


def test_the_label_that_won_stands_out() -> None:
    (axes,) = draw_votes(votes("abb")).axes
    first, second = axes.patches
    assert [text.get_text() for text in axes.get_yticklabels()] == ["b", "a"]
    assert first.get_facecolor() != second.get_facecolor()


def test_a_rule_that_does_not_count_labels_has_no_threshold() -> None:
    voters = [Voter(f"v{i}", run=lambda _, i=i: i) for i in range(3)]
    graph = create_voting(voters, rule=median(), stop="fixed_3")
    report = graph.invoke({"input": "x"})["report"]
    assert report["threshold"] is None
    assert not draw_votes(report).axes[0].lines


def test_an_undecided_vote_and_an_empty_report_are_drawn_too() -> None:
    report = {**votes("ab"), "decided": False, "decision": None, "counts": {}, "threshold": None}
    assert "no decision" in texts(draw_timeline(report))
    draw_votes(report)
    draw_timeline({"branches": [], "seconds": 0.0})


def test_the_bar_of_an_answer_is_pale_until_its_first_token() -> None:
    def answer(_: str) -> Iterator[str]:
        yield "one"
        yield "two"

    graph = create_guardrail(answer, [Guard("harm", run=lambda _: False)])
    report = graph.invoke({"input": "x"})["report"]
    (axes,) = draw_timeline(report).axes
    bars: list[Any] = list(axes.patches)
    pale, full = (bar for bar in bars if bar.get_y() > 0.5)
    assert pale.get_alpha() < full.get_alpha()
    assert pale.get_x() + pale.get_width() == report["branches"][1]["first_token"]


@pytest.mark.parametrize("number", [1, 3, 15, 100, 120])
def test_sections_are_a_table_without_overlap(number: int) -> None:
    report = sections(number)
    report["branches"][0] = {**report["branches"][0], "name": "n" * 50, "output": "$long " * 50}
    figure = draw_sections(report)
    figure.set_dpi(100)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    (table,) = figure.axes[0].tables
    cells = {place: cell for place, cell in table.get_celld().items() if cell.get_text().get_text()}
    rows = min(number, ROWS) + (number > ROWS)
    assert {row for row, _ in cells} == set(range(rows + 1))
    boxes = [cell.get_text().get_window_extent(canvas.get_renderer()) for cell in cells.values()]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)


def test_each_pattern_is_drawn_with_what_it_has() -> None:
    assert [len(draw(report)) for report in (sections(1), votes("aab"), guarded(trips=True))] == [
        2,
        2,
        1,
    ]


def test_only_votes_can_be_drawn_as_votes() -> None:
    with pytest.raises(ValueError, match="'sectioning' has no votes"):
        draw_votes(sections(1))


def test_only_sections_can_be_drawn_as_sections() -> None:
    with pytest.raises(ValueError, match="'voting' has no sections"):
        draw_sections(votes("aab"))


def test_a_result_is_drawn_like_its_report() -> None:
    report = sections(2)
    assert texts(draw_timeline({"output": "x", "report": report})) == texts(draw_timeline(report))
    with pytest.raises(ValueError, match="'messages' is no report"):
        draw({"messages": []})


def test_branches_without_output_or_usage_are_drawn() -> None:
    report = {"pattern": "sectioning", "branches": [branch("a"), branch("b", status="error")]}
    assert len(draw(report)) == 2
