"""The same answer in every mode, on every loop, from every thread."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from drive import MODEL, MODES, STREAMS, Graph, chat_model, events, run, timeless, tokens
from stub_server import StubServer

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)

Make = Callable[[], Graph]


def sectioning() -> Graph:
    return create_sectioning(
        [Section("security", "Find holes."), Section("style", "Judge taste.")],
        model=MODEL,
        aggregate="synthesize",
    )


def voting() -> Graph:
    panel = [Voter(name, f"Vote as {name}.") for name in ("ann", "bob", "cid")]
    return create_voting(panel, options=["yes", "no"], model=MODEL, stop="fixed_3")


def sampled() -> Graph:
    return create_voting(Voter("v", "Vote as ann."), options=["yes", "no"], model=MODEL)


def passing() -> Graph:
    guards = [Guard("model", "Is it harmful?"), Guard("function", run=lambda _: False)]
    return create_guardrail("Answer nicely.", guards, model=MODEL)


def blocking() -> Graph:
    return create_guardrail("Answer nicely.", [Guard("model", "Is it bad?")], model=MODEL)


def interior() -> Graph:
    return create_sectioning([Section("whole", run=passing())], aggregate="merge")


PATTERNS: dict[str, tuple[Make, Any]] = {
    "sectioning": (sectioning, "all in all fine"),
    "voting": (voting, "yes"),
    "sampled": (sampled, "yes"),
    "guardrail that passes": (passing, "a nice answer"),
    "guardrail that blocks": (blocking, "I can't help with that."),
    "nested": (interior, {"whole": "a nice answer"}),
}
ALL = pytest.mark.parametrize(("make", "answer"), PATTERNS.values(), ids=PATTERNS)


@pytest.fixture
def server(server: StubServer) -> StubServer:
    server.on("Several specialists", "all in all fine")
    server.on("holes", "no holes")
    server.on("taste", "good taste")
    server.on("Vote as ann.", {"ballot": "yes"})
    server.on("Vote as bob.", {"ballot": "no"})
    server.on("Vote as cid.", {"ballot": "yes"})
    server.on("Is it harmful?", {"tripped": False, "reason": "harmless"})
    server.on("Is it bad?", {"tripped": True, "reason": "bad"})
    server.on("Answer nicely.", "a nice answer")
    return server


@ALL
class TestSameAnswer:
    def test_every_mode_gives_the_same_output_and_report(
        self, server: StubServer, make: Make, answer: Any
    ) -> None:
        graph = make()
        states = {mode: timeless(run(graph, {"input": "x"}, mode)) for mode in MODES}
        assert states["invoke"]["output"] == answer
        assert {mode for mode in MODES if states[mode] != states["invoke"]} == set()

    def test_one_graph_works_on_one_loop_after_another_and_in_sync_calls_between(
        self, server: StubServer, make: Make, answer: Any
    ) -> None:
        graph = make()
        for mode in ("ainvoke", "ainvoke", "invoke", "ainvoke", "invoke"):
            assert run(graph, {"input": "x"}, mode)["output"] == answer

    def test_one_graph_works_from_several_threads_at_once(
        self, server: StubServer, make: Make, answer: Any
    ) -> None:
        graph = make()
        together = threading.Barrier(6)

        def call(mode: str) -> Any:
            together.wait(5)
            return run(graph, {"input": "x"}, mode)["output"]

        with ThreadPoolExecutor(6) as pool:
            outputs = list(pool.map(call, ["invoke", "ainvoke"] * 3))
        assert outputs == [answer] * 6

    async def test_a_sync_call_works_where_a_loop_runs_already(
        self, server: StubServer, make: Make, answer: Any
    ) -> None:
        assert make().invoke({"input": "x"})["output"] == answer


class TestStreams:
    @pytest.mark.parametrize("mode", STREAMS)
    @ALL
    def test_values_begin_with_the_input_and_end_with_the_output_state(
        self, server: StubServer, make: Make, answer: Any, mode: str
    ) -> None:
        values = events(make(), {"input": "x"}, mode, "values")
        assert values[0] == {"input": "x"}
        assert values[-1]["output"] == answer
        assert "output" not in values[-2]

    @pytest.mark.parametrize("mode", STREAMS)
    @pytest.mark.parametrize(
        ("make", "names"),
        [
            (sectioning, ["fan_out", "reduce", "security", "style"]),
            (voting, ["ann", "bob", "cid", "fan_out", "tally"]),
            (sampled, ["fan_out", "tally", "v", "v", "v"]),
            (passing, ["fan_out", "function", "model", "respond", "verdict"]),
        ],
    )
    def test_updates_show_each_branch_under_its_own_name(
        self, server: StubServer, make: Make, names: list[str], mode: str
    ) -> None:
        updates = events(make(), {"input": "x"}, mode, "updates")
        assert sorted(name for update in updates for name in update) == names

    @pytest.mark.parametrize("mode", STREAMS)
    @pytest.mark.parametrize(
        ("make", "branches"),
        [
            (sectioning, [("security", 0), ("style", 1)]),
            (voting, [("ann", 0), ("bob", 1), ("cid", 2)]),
            (passing, [("function", 1), ("model", 0), ("respond", 2)]),
        ],
    )
    def test_custom_events_tell_when_each_branch_starts_and_finishes(
        self, server: StubServer, make: Make, branches: list[tuple[str, int]], mode: str
    ) -> None:
        seen = events(make(), {"input": "x"}, mode, "custom")
        for kind in ("branch_started", "branch_finished"):
            found = [(e["branch"], e["index"]) for e in seen if e["event"] == kind]
            assert sorted(found) == branches
        assert {e["status"] for e in seen if e["event"] == "branch_finished"} == {"ok"}
        assert len({e["dispatch"] for e in seen}) == 1

    @pytest.mark.parametrize("mode", STREAMS)
    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            (sectioning, ["all", " in", " all", " fine"]),
            (voting, []),
            (passing, ["a", " nice", " answer"]),
            (blocking, []),
        ],
    )
    def test_messages_show_the_tokens_of_the_answer_only(
        self, server: StubServer, make: Make, expected: list[str], mode: str
    ) -> None:
        assert tokens(events(make(), {"input": "x"}, mode, "messages")) == expected

    @pytest.mark.parametrize("mode", STREAMS)
    @pytest.mark.parametrize(
        ("make", "streamed"),
        [
            (sectioning, {"Several specialists"}),
            (voting, set()),
            (passing, {"Answer nicely."}),
        ],
    )
    def test_only_the_answer_is_asked_for_as_a_stream(
        self, server: StubServer, make: Make, streamed: set[str], mode: str
    ) -> None:
        events(make(), {"input": "x"}, mode, "messages")
        texts = [r.request.text for r in server.requests if r.request.stream]
        assert len(texts) == len(streamed)
        assert all(any(text.startswith(start) for start in streamed) for text in texts)

    @pytest.mark.parametrize("mode", STREAMS)
    @pytest.mark.parametrize(
        ("make", "answer"),
        [PATTERNS[name] for name in list(PATTERNS)[::3]],
        ids=list(PATTERNS)[::3],
    )
    def test_several_stream_modes_together_give_what_each_gives_alone(
        self, server: StubServer, make: Make, answer: Any, mode: str
    ) -> None:
        graph = make()
        kinds = ["updates", "values", "messages", "custom"]
        together = events(graph, {"input": "x"}, mode, kinds)
        assert {kind for kind, _ in together} <= set(kinds)
        messages = [item for kind, item in together if kind == "messages"]
        alone = events(graph, {"input": "x"}, mode, "messages")
        assert tokens(messages) == tokens(alone)
        for kind in ("updates", "custom"):
            number = sum(one == kind for one, _ in together)
            assert number == len(events(graph, {"input": "x"}, mode, kind))
        values = [item for kind, item in together if kind == "values"]
        assert values[-1]["output"] == answer


class TestOwnModels:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_chat_model_object_serves_all_patterns(self, server: StubServer, mode: str) -> None:
        model = chat_model(server)
        section = create_sectioning([Section("a", "Find holes.")], model=model)
        vote = create_voting(Voter("v", "Vote as bob."), options=["yes", "no"], model=model)
        guard = [Guard("model", "Is it harmful?")]
        answer = create_guardrail("Answer nicely.", guard, model=model)

        async def together() -> list[Any]:
            states = [await graph.ainvoke({"input": "x"}) for graph in (section, vote, answer)]
            return [state["output"] for state in states]

        if mode == "ainvoke":
            outputs = asyncio.run(together())
        else:
            outputs = [run(graph, {"input": "x"})["output"] for graph in (section, vote, answer)]
        assert outputs == ["## a\nno holes", "no", "a nice answer"]
