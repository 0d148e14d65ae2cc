"""Reports as rich text, and runs that show their branches."""

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from drive import timeless
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from nbclient import NotebookClient
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
from langgraph_parallel.progress import ROWS, LiveProgress, NotebookProgress, Progress
from langgraph_parallel.show import awatch, show, watch
from langgraph_parallel.terminal import ReportView
from langgraph_parallel.timeline import LINES


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

    @pytest.mark.parametrize("width", [50, 80, 200])
    @pytest.mark.parametrize("number", [1, 3, 15, 100])
    def test_lines_keep_to_the_width_and_many_sections_are_summed_up(
        self, width: int, number: int
    ) -> None:
        text = drawn(review(number).invoke({"input": "x"})["report"], width)
        assert all(len(line) <= min(width, 100) for line in text.splitlines())
        assert text.count("[red]") == min(number, LINES)  # markup of a model is text
        assert ("more: " in text) == (number > LINES)

    def test_votes_are_bars_up_to_the_threshold(self) -> None:
        voters = [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate("aba")]
        graph = create_voting(voters, rule="plurality", stop="first_to_2")
        *_, first, second, legend = drawn(graph.invoke({"input": "x"})["report"]).splitlines()
        assert [line.split()[0] for line in (first, second)] == ["a", "b"]
        assert [line.split()[-1] for line in (first, second)] == ["2", "1"]
        assert first.count("━") == 2 * second.count("━") > 30
        assert legend == "│ enough at 2"
        assert first.index("│") == second.index("│") == first.rindex("━") + 1

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

    def test_equal_reasons_are_said_once(self) -> None:
        parts = [Section(f"part {i}", run=failing, required=False) for i in range(9)]
        report = create_sectioning([*parts, Section("fine", run=str)]).invoke({"input": "x"})
        text = drawn(report["report"])
        assert "part 0, part 1, part 2 and 6 more: ValueError: no luck today" in text

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
