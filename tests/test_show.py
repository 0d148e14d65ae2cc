"""Reports as rich text, and runs that show their branches."""

import asyncio
import io
import json
import re
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from drive import timeless
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from nbclient import NotebookClient
from rich.cells import cell_len
from rich.console import Console
from typing_extensions import TypedDict

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)
from langgraph_parallel.progress import (
    ROWS,
    LineProgress,
    LiveProgress,
    NotebookProgress,
    Progress,
)
from langgraph_parallel.show import awatch, show, watch
from langgraph_parallel.terminal import ReportView
from langgraph_parallel.timeline import LINES, timeline


def drawn(report: Any, width: int = 80, *, colours: bool = False) -> str:
    target = io.StringIO()
    system: Any = "truecolor" if colours else None
    console = Console(file=target, width=width, force_terminal=colours, color_system=system)
    console.print(ReportView(report))
    return target.getvalue()


def review(number: int = 2, **options: Any) -> Any:
    parts = [Section(f"part {i}", run=lambda _: "[red]" + "\nword" * 40) for i in range(number)]
    return create_sectioning(parts, **options)


def failing(_: str) -> str:
    raise ValueError("no luck today")


class TestReportView:
    def test_sections_are_a_table_with_results_and_errors(self) -> None:
        parts = [
            Section("tone", run=lambda _: {"score": 4}),
            Section("luck", run=failing, required=False),
        ]
        report = create_sectioning(parts).invoke({"input": "x"})["report"]
        lines = [line.rstrip() for line in drawn(report).splitlines()]
        table = lines.index("")
        assert lines[table + 1].split() == ["section", "status", "time", "tokens", "result"]
        assert lines[table + 2].endswith('{ "score": 4 }')
        assert lines[table + 3].endswith("no luck today")
        assert lines[-1] == "luck: ValueError: no luck today"
        coloured = drawn(report, colours=True).splitlines()
        ok, error = coloured[table + 2 : table + 4]
        assert "\x1b[34mok\x1b[0m" in ok
        assert "\x1b[31merror\x1b[0m" in error

    @pytest.mark.parametrize("width", [24, 30, 50, 80, 200])
    @pytest.mark.parametrize("number", [1, 3, 15, 100])
    def test_lines_keep_to_the_width_and_many_sections_are_summed_up(
        self, width: int, number: int
    ) -> None:
        text = drawn(review(number).invoke({"input": "x"})["report"], width)
        assert all(len(line) <= min(width, 100) for line in text.splitlines())
        assert text.count("[red]") == min(number, LINES)  # markup of a model is text
        assert ("more: " in " ".join(text.split())) == (number > LINES)

    def test_votes_are_bars_up_to_the_threshold(self) -> None:
        voters = [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate("aba")]
        graph = create_voting(voters, rule="plurality", stop="first_to_2")
        *_, first, second, legend = drawn(graph.invoke({"input": "x"})["report"]).splitlines()
        assert [line.split()[0] for line in (first, second)] == ["a", "b"]
        assert [line.split()[-1] for line in (first, second)] == ["2", "1"]
        assert first.count("━") == 2 * second.count("━") > 30
        assert legend == "│ enough at 2"
        assert first.index("│") == second.index("│") == first.rindex("━") + 1

    def test_the_label_that_won_stands_out(self) -> None:
        voters = [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate("abb")]
        report = create_voting(voters, stop="fixed_3").invoke({"input": "x"})["report"]
        *_, won, lost = drawn({**report, "threshold": None}, colours=True).splitlines()
        assert (won[0], lost[0]) == ("b", "a")
        assert "\x1b[34m━" in won
        assert "\x1b[2m━" in lost
        none = drawn({**report, "decided": False, "threshold": None}, colours=True).splitlines()[-2]
        assert "\x1b[2m━" in none

    def test_a_threshold_beyond_the_votes_has_its_place(self) -> None:
        report = {"counts": {"a": 1, "b": 3}, "threshold": 4, "decided": False, "decision": None}
        own = {"calls": {"unreadable": 0}, "stopped_by": "stop", "rounds": 1}
        *_, most, least, legend = drawn({**report, **own}).splitlines()
        assert legend == "│ enough at 4"
        assert most.index("│") == least.index("│") == 2 + 40
        assert (most.count("━"), least.count("━")) == (30, 10)

    def test_a_report_without_votes_has_no_bars(self) -> None:
        report = {"counts": {}, "threshold": 4, "decided": False, "decision": None}
        own = {"calls": {"unreadable": 0}, "stopped_by": "stop", "rounds": 1}
        assert "enough" not in drawn({**report, **own})

    @pytest.mark.parametrize(("number", "more"), [(LINES, False), (LINES + 1, True)])
    def test_labels_beyond_the_lines_are_counted(self, number: int, *, more: bool) -> None:
        counts = {f"label {i}": 1 for i in range(number)}
        report = {"counts": counts, "decided": False, "decision": None}
        own = {"calls": {"unreadable": 0}, "stopped_by": "stop", "rounds": 1}
        assert ("\nand " in drawn({**report, **own})) == more

    @pytest.mark.parametrize("width", [24, 30, 50, 65, 100])
    def test_wide_labels_and_a_cost_keep_to_the_width(self, width: int) -> None:
        labels = ["判断" * 25, "a label of some length"]
        voters = [Voter(f"v{i}", run=lambda _, i=i: labels[i % 2]) for i in range(3)]
        report = create_voting(voters, stop="fixed_3").invoke({"input": "x"})["report"]
        usage = {**report["usage"], "input_tokens": 120_000, "cost": 0.0123, "partial": True}
        text = drawn({**report, "usage": usage, "threshold": 2}, width)
        assert all(cell_len(line) <= width for line in text.splitlines())
        assert "$0.012300 (partial)" in " ".join(text.split())
        bars = [line for line in text.splitlines() if "━" in line]
        assert [line.split()[-1] for line in bars[-2:]] == ["2", "1"]

    def test_a_narrow_terminal_has_all_facts(self) -> None:
        parts = [
            Section("security", run=lambda _: "fine " * 30),
            Section("a long name", run=failing, required=False),
        ]
        report = create_sectioning(parts).invoke({"input": "x"})["report"]
        branches = [{**branch, "seconds": 1.0} for branch in report["branches"]]
        lines = drawn({**report, "branches": branches}, 30).splitlines()
        assert lines[:2] == ["security     ok         1.00 s", "a long name  error      1.00 s"]
        table = lines[lines.index("") + 1 :]
        assert table[:4] == [
            "security: tokens 0 / 0",
            "  fine fine fine fine fine fi…",
            "a long name: tokens 0 / 0",
            "  ValueError: no luck today",
        ]

    def test_sections_alone_are_a_table(self) -> None:
        guards = [Guard("harm", run=lambda _: False)]
        report = create_guardrail(str.upper, guards).invoke({"input": "x"})["report"]
        assert "result" not in drawn(report)

    def test_what_a_partial_report_has_is_drawn(self) -> None:
        branch = {"name": "tone", "status": "ok", "started": 0.5, "seconds": 0.5}
        lost = {**branch, "name": "luck", "status": "error"}
        report = {"pattern": "sectioning", "branches": [branch, lost], "seconds": 1.0}
        for given in (report, {"branches": [branch]}, {"pattern": "sectioning", "seconds": 1.0}):
            assert drawn(given).startswith(timeline(given, width=80))
        assert "0 / 0" in drawn(report)

    def test_a_result_is_drawn_like_its_report(self, capsys: pytest.CaptureFixture[str]) -> None:
        result = review().invoke({"input": "x"})
        show(result)
        from_result = capsys.readouterr().out
        show(result["report"])
        assert capsys.readouterr().out == from_result != ""
        with pytest.raises(ValueError, match="'output' is no report"):
            show({"output": "x"})

    def test_many_and_long_labels_keep_to_their_columns(self) -> None:
        voters = [Voter(f"v{i}", run=lambda _, i=i: f"{i} " + "word " * 40) for i in range(30)]
        graph = create_voting(voters, rule="plurality", stop="fixed_30")
        lines = drawn(graph.invoke({"input": "x"})["report"], 60).splitlines()
        assert all(len(line) <= 60 for line in lines)
        assert "and 10 more" in lines
        assert len(lines) < 70

    def test_a_terminal_without_unicode_gets_other_characters(self) -> None:
        target = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        graph = create_voting([Voter("größe", run=lambda _: "ja") for _ in "a"], stop="fixed_1")
        Console(file=target, width=80).print(ReportView(graph.invoke({"input": "x"})["report"]))
        target.seek(0)
        assert "gr??e" in target.read()

    def test_a_guard_that_trips_and_the_verdict_are_coloured(self) -> None:
        graph = create_guardrail(str.upper, [Guard("harm", run=lambda _: True)])
        text = drawn(graph.invoke({"input": "x"})["report"], colours=True)
        assert "\x1b[31m" in text.splitlines()[0]
        assert "\x1b[35m│ verdict at" in text

    def test_a_ballot_that_reads_like_a_guard_is_no_alarm(self) -> None:
        voters = [Voter("v", run=lambda _: "tripped")]
        report = create_voting(voters, stop="fixed_1").invoke({"input": "x"})["report"]
        text = drawn(report, colours=True)
        assert "tripped" in text
        assert "\x1b[31m" not in text

    def test_equal_reasons_are_said_once(self) -> None:
        parts = [Section(f"part {i}", run=failing, required=False) for i in range(9)]
        report = create_sectioning([*parts, Section("fine", run=str)]).invoke({"input": "x"})
        text = drawn(report["report"])
        assert "part 0, part 1, part 2 and 6 more: ValueError: no luck today" in text

    @pytest.mark.parametrize(
        ("number", "names"), [(4, "v0, v1, v2, v3"), (5, "v0, v1, v2 and 2 more")]
    )
    def test_ballots_that_could_not_be_read_are_explained(self, number: int, names: str) -> None:
        voters = [Voter(f"v{i}", run=lambda _: "maybe") for i in range(number)]
        clear = [Voter(f"w{i}", run=lambda _: "yes") for i in range(number + 1)]
        graph = create_voting(
            [*voters, *clear], options=["yes", "no"], stop=f"fixed_{2 * number + 1}"
        )
        report = graph.invoke({"input": "x"})["report"]
        reason = report["branches"][0]["output"]["unreadable"]
        text = " ".join(drawn(report).split())
        assert f"{names}: {' '.join(reason.split())}" in text
        assert text.count(names) == 1

    def test_a_report_that_an_error_carries_is_drawn(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(BranchFailedError) as failed:
            create_sectioning([Section("luck", run=failing)]).invoke({"input": "x"})
        show(failed.value.report)
        assert "luck: ValueError: no luck today" in capsys.readouterr().out


def nested() -> Any:
    inner = create_voting([Voter(name, run=lambda _: "safe") for name in "abc"])
    chat = create_guardrail(
        lambda _: "Because.",
        [Guard("vote", run=inner, trip_on="unsafe")],
        input_key="messages",
    )
    return StateGraph(MessagesState).add_node("chat", chat).add_edge(START, "chat").compile()


class Wide(TypedDict, total=False):
    input: str
    output: Any
    inside: str
    extra: int


class Narrow(TypedDict):
    extra: int


def parent(**options: Any) -> Any:
    """Build a parent whose output leaves out what is inside, and whose node is a pattern."""
    graph: Any = StateGraph(Wide, output_schema=Narrow)
    graph.add_node("pattern", review())
    graph.add_node("after", lambda _: {"extra": 16, "inside": "hidden"})
    graph.add_edge(START, "pattern")
    graph.add_edge("pattern", "after")
    return graph.compile(**options)


def asking(_: str) -> str:
    return str(interrupt("Really?"))


def saved(build: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: build(checkpointer=InMemorySaver())


CASES: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "a pattern": (review, [{"input": "x"}]),
    "a vote": (
        lambda: create_voting([Voter(name, run=lambda _: "safe") for name in "abc"]),
        [{"input": "x"}],
    ),
    "a guardrail that refuses": (
        lambda: create_guardrail(str.upper, [Guard("harm", run=lambda _: True)]),
        [{"input": "x"}],
    ),
    "messages": (nested, [{"messages": [("user", "Why?")]}]),
    "a narrow output": (parent, [{"input": "x"}]),
    "a pause before a node": (
        lambda: parent(checkpointer=InMemorySaver(), interrupt_before=["after"]),
        [{"input": "x"}, None],
    ),
    "two turns": (saved(review), [{"input": "x"}, {"input": "y"}]),
    "an interrupt": (
        saved(lambda **options: create_sectioning([Section("ask", run=asking)], **options)),
        [{"input": "x"}, Command(resume="yes")],
    ),
}


class TestWatch:
    @pytest.mark.parametrize("case", CASES)
    def test_it_gives_what_invoke_gives(self, case: str) -> None:
        build, turns = CASES[case]
        config: Any = {"configurable": {"thread_id": "1"}}
        invoked, watched, awaited = build(), build(), build()
        for given in turns:
            expected = timeless(invoked.invoke(given, config))
            assert timeless(watch(watched, given, config)) == expected
            assert timeless(asyncio.run(awatch(awaited, given, config))) == expected

    def test_it_hands_the_context_on(self) -> None:
        graph: Any = StateGraph(Wide, context_schema=Narrow)
        graph.add_node("tell", lambda _, runtime: {"extra": runtime.context["extra"]})
        graph.add_edge(START, "tell")
        compiled = graph.compile()
        assert watch(compiled, {"input": "x"}, context={"extra": 3})["extra"] == 3
        state = asyncio.run(awatch(compiled, {"input": "x"}, context={"extra": 4}))
        assert state["extra"] == 4

    def test_it_works_within_a_node_too(self) -> None:
        graph: Any = StateGraph(Wide)
        graph.add_node("pattern", lambda state: {"output": watch(review(), state)["output"]})
        graph.add_edge(START, "pattern")
        assert "part 0" in graph.compile().invoke({"input": "x"})["output"]

    @pytest.mark.parametrize("mode", ["sync", "async"])
    def test_it_gives_what_invoke_gives_and_a_line_per_branch(
        self, mode: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        value: Any = {"messages": [("user", "Why?")]}
        state = watch(nested(), value) if mode == "sync" else asyncio.run(awatch(nested(), value))
        assert [message.content for message in state["messages"]] == ["Why?", "Because."]
        out, err = capsys.readouterr()
        assert out == ""
        names = sorted(line.split(":")[0] for line in err.splitlines())
        assert names == ["a", "b", "c", "respond", "vote"]

    def test_what_the_run_raises_is_raised(self) -> None:
        with pytest.raises(BranchFailedError, match="no luck"):
            watch(create_sectioning([Section("luck", run=failing)]), {"input": "x"})


class TestProgress:
    def test_many_branches_collapse_and_those_at_work_come_first(self) -> None:
        shown = Progress()
        for index in range(100):
            event = {"branch": f"part {index}", "index": index, "dispatch": "d"}
            shown.tell({"event": "branch_started", **event})
            if index % 3 == 0:
                done = {"status": "error" if index == 0 else "ok", "seconds": 1.0}
                shown.tell({"event": "branch_finished", **event, **done})
        target = io.StringIO()
        Console(file=target, width=80).print(shown.table())
        lines = target.getvalue().splitlines()
        assert len(lines) == ROWS + 1
        assert all("part" in line and "ok" not in line for line in lines[:-1])
        assert " ".join(lines[-1].split()) == "and 90 more: 1 error, 33 ok, 56 running"

    def test_events_of_others_are_none_of_its_business(self) -> None:
        shown = Progress()
        own = {"event": "branch_started", "branch": "a", "index": 0, "dispatch": "d"}
        odd = [{**own, "event": ["branch_started"]}, {**own, "index": "0"}, {"event": own["event"]}]
        for event in ("text", None, {"event": "mine"}, {**own, "event": "branch_finished"}, *odd):
            shown.tell(event)
        assert shown.rows() == []

    def test_a_name_that_comes_again_keeps_the_number_of_its_place(self) -> None:
        shown = Progress()
        for dispatch, index in (("z", 1), ("z", 0), ("a", 0)):
            event = {"branch": "vote", "index": index, "dispatch": dispatch}
            shown.tell({"event": "branch_started", **event})
        rows = shown.rows()
        assert [shown.name(row) for row in rows] == ["vote 1", "vote 2", "vote 3"]
        assert [row.place for row in rows] == [(0, 0), (0, 1), (1, 0)]

    def test_a_run_does_not_fail_because_its_progress_cannot_be_written(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr("sys.stderr", closed)
        assert watch(review(), {"input": "x"})["report"]["failed"] == []

    def test_long_names_are_cut_and_each_branch_has_one_line(self) -> None:
        shown = Progress()
        target, log = io.StringIO(), io.StringIO()
        by_lines = LineProgress(Console(file=log, width=80))
        for index in range(ROWS + 3):
            event = {"branch": f"{index} " + "n" * 240, "index": index, "dispatch": "d"}
            for each in (shown, by_lines):
                each.tell({"event": "branch_started", **event})
                end = {"event": "branch_finished", "status": "cancelled", "seconds": 1.0}
                each.tell({**event, **end})
        for width in (30, 80):
            target.truncate(target.seek(0))
            Console(file=target, width=width).print(shown.table())
            lines = target.getvalue().splitlines()
            assert len(lines) == ROWS + 1
            assert all("… " in line and "1.00 s cancelled" in line for line in lines[:-1])
            assert "and 3 more:" in lines[-1]
        assert all(len(line) < 80 for line in log.getvalue().splitlines())
        assert log.getvalue().count("cancelled, 1.00 s\n") == ROWS + 3

    def test_a_branch_at_work_shows_its_time_and_an_idle_display_a_sign_of_life(self) -> None:
        console = Console(file=io.StringIO(), force_terminal=True, width=80)
        shown = LiveProgress(console)
        event = {"branch": "a", "index": 0, "dispatch": "d"}

        def frame() -> str:
            target = io.StringIO()
            Console(file=target, width=80).print(shown._live.get_renderable())
            return target.getvalue()

        assert "working" in frame()
        shown.tell({"event": "branch_started", **event})
        assert re.search(r"a +\d\.\d s\s*$", frame())
        assert "working" not in frame()
        shown.tell({"event": "branch_finished", "status": "error", "seconds": 2.0, **event})
        assert re.search(r"✗ a +2\.00 s error", frame())
        assert "working" in frame()

    def test_a_terminal_is_clean_again_at_the_end(self) -> None:
        target = io.StringIO()
        console = Console(file=target, force_terminal=True, width=80)
        with LiveProgress(console) as shown:
            shown.tell({"event": "branch_started", "branch": "a", "index": 0, "dispatch": "d"})
        assert "\x1b[2K" in target.getvalue()

    def test_in_a_notebook_it_says_which_branches_the_end_cut_off(self) -> None:
        with NotebookProgress() as shown:
            for index, name in enumerate("ab"):
                event = {"branch": name, "index": index, "dispatch": "d"}
                shown.tell({"event": "branch_started", **event})
                if name == "b":
                    done = {"status": "ok", "seconds": 1.0}
                    shown.tell({"event": "branch_finished", **event, **done})
        assert [row.status for row in shown.rows()] == ["unfinished", "ok"]


NOTEBOOK = """
import time
from langgraph_parallel import Section, Voter, create_sectioning, create_voting
from langgraph_parallel.show import awatch, show, watch
sections = [Section("tone", run=lambda _: "fine"), Section("slow", run=lambda _: time.sleep(0.5))]
review = create_sectioning(sections)
vote = create_voting([Voter(name, run=lambda _: "safe") for name in "abc"])
show(watch(review, {"input": "x"})["report"])
show((await awatch(vote, {"input": "x"}))["report"])
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own packages
def test_in_a_notebook_reports_are_pictures_and_the_last_progress_stays() -> None:
    v4: Any = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(NOTEBOOK)])
    updates: list[Any] = []

    class Client(NotebookClient):
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            if msg["msg_type"] == "update_display_data":
                updates.append(msg["content"]["data"])
            return super().process_message(msg, cell, cell_index)

    Client(notebook, timeout=100).execute()
    shown = [output["data"] for output in notebook.cells[0].outputs]
    assert [min(data) for data in shown].count("image/png") == 4
    assert any("tone" in json.dumps(data) for data in updates)
    assert any("✓" in json.dumps(data, ensure_ascii=False) for data in updates)
    texts = [data["text/plain"].split() for data in shown if "image/png" not in data]
    assert [[*text[:2], text[-1]] for text in texts] == [["✓", "tone", "ok"], ["✓", "a", "ok"]]
    assert [text.count("ok") for text in texts] == [2, 3]
