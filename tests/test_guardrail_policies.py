"""What guards count for, what a denial gives, and what the report says of it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from drive import MODEL, Graph, chat_model, events, in_background, run, statuses, tokens
from langchain_core.prompts import ChatPromptTemplate
from langgraph.graph import START, MessagesState, StateGraph
from stub_server import Reply, StubServer

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    GuardrailTripped,
    SetupError,
    at_least,
    create_guardrail,
    weight_at_least,
)
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def broken(_: str) -> bool:
    raise LookupError("lost the list")


async def hang(_: str) -> bool:
    await asyncio.Event().wait()
    return False


def trips(_: str) -> dict[str, Any]:
    return {"tripped": True, "reason": "because"}


def passes(_: str) -> bool:
    return False


def weighing(*weights: tuple[float, bool]) -> list[Guard]:
    return [Guard(f"g{i}", run=lambda _, t=t: t, weight=w) for i, (w, t) in enumerate(weights)]


class TestWeights:
    @BOTH
    @pytest.mark.parametrize(
        ("rule", "weights", "verdict"),
        [
            ("weighted", [(1, True), (3, False)], "passed"),
            ("weighted", [(3, True), (1, False)], "blocked"),
            ("weighted", [(1, True), (1, False)], "blocked"),
            (weight_at_least(1), [(0.4, True), (0.6, True), (5, False)], "blocked"),
            (weight_at_least(1), [(0.4, True), (0.6, False), (5, False)], "passed"),
        ],
    )
    def test_trips_count_by_weight(
        self, rule: Any, weights: list[tuple[float, bool]], verdict: str, mode: str
    ) -> None:
        graph = create_guardrail(str.upper, weighing(*weights), verdict=rule)
        assert run(graph, {"input": "x"}, mode)["report"]["verdict"] == verdict

    def test_a_heavy_trip_cancels_the_light_guards(self) -> None:
        guards = [Guard("light", run=hang), Guard("heavy", run=trips, weight=2)]
        state = run(create_guardrail(str, guards, verdict="weighted"), {"input": "x"})
        assert statuses(state)["light"] == "cancelled"

    @pytest.mark.parametrize(
        ("make", "parts"),
        [
            (lambda: Guard("g", run=passes, weight=-1), ["'g'", "weight=-1", "from 0 up"]),
            (lambda: weight_at_least(0), ["weight_at_least(0)", "above 0"]),
            (
                lambda: create_guardrail(str, weighing((1, True)), verdict=weight_at_least(2)),
                ["weigh 2", "weigh 1", "weight="],
            ),
        ],
    )
    def test_weights_that_cannot_work_are_refused(self, make: Any, parts: list[str]) -> None:
        with pytest.raises(SetupError) as caught:
            make()
        assert [part for part in parts if part not in str(caught.value)] == []


class TestAudit:
    @BOTH
    def test_findings_are_recorded_and_never_block(self, mode: str) -> None:
        guards = [
            Guard("trips", run=trips),
            Guard("fails", run=broken, on_error="raise"),
            Guard("hangs", run=hang, timeout=0.02),
        ]
        state = run(create_guardrail(str.upper, guards, verdict="audit"), {"input": "x"}, mode)
        report = state["report"]
        assert (state["output"], report["verdict"], report["blocked_by"]) == ("X", "passed", [])
        found = {guard["name"]: guard["finding"] for guard in report["guards"]}
        assert found == {"trips": "tripped", "fails": "failed", "hangs": "timed_out"}
        assert report["guards"][0]["reason"] == "because"

    async def test_the_answer_does_not_wait_for_guards_that_audit(self, server: StubServer) -> None:
        server.on("Judge.", Reply({"tripped": True, "reason": ""}, gate="guard"))
        server.on("Answer.", "yes it is")
        graph = create_guardrail("Answer.", [Guard("g", "Judge.")], verdict="audit", model=MODEL)
        seen: list[Any] = []
        stream: Any = graph.astream({"input": "x"}, stream_mode="messages")
        async for item in stream:
            seen.append(item)
            if item[0].text == " is":
                await server.until(lambda log: log.waiting("guard") == 1)
                server.open("guard")
        assert tokens(seen) == ["yes", " it", " is"]


class TestReactions:
    @BOTH
    @pytest.mark.parametrize(
        ("guard", "options", "verdict"),
        [
            (Guard("g", run=broken, on_error="allow"), {}, "passed"),
            (Guard("g", run=broken, on_error="deny"), {"on_guard_error": "allow"}, "failed"),
            (Guard("g", run=broken, on_timeout="allow"), {}, "failed"),
            (Guard("g", run=hang, timeout=0.02, on_timeout="allow"), {}, "passed"),
            (Guard("g", run=hang, timeout=0.02, on_error="allow"), {}, "timed_out"),
        ],
    )
    def test_a_guards_own_reaction_goes_before_the_patterns(
        self, guard: Guard, options: dict[str, Any], verdict: str, mode: str
    ) -> None:
        graph = create_guardrail(str, [guard, Guard("ok", run=passes)], **options)
        assert run(graph, {"input": "x"}, mode)["report"]["verdict"] == verdict

    @BOTH
    @pytest.mark.parametrize(
        ("guard", "status", "verdict"),
        [
            (Guard("g", run=broken, on_error="raise"), "error", "failed"),
            (Guard("g", run=hang, timeout=0.02, on_timeout="raise"), "timeout", "timed_out"),
        ],
    )
    def test_a_failure_that_is_to_be_raised_raises_and_names_the_guard(
        self, guard: Guard, status: str, verdict: str, mode: str
    ) -> None:
        graph = create_guardrail(str, [Guard("ok", run=passes), guard])
        with pytest.raises(BranchFailedError, match=rf"Guard 'g' failed \({status}\)") as caught:
            run(graph, {"input": "x"}, mode)
        report = caught.value.report
        assert (report["verdict"], report["blocked_by"]) == (verdict, ["g"])
        assert statuses({"report": report})["respond"] == "cancelled"

    def test_a_failure_is_not_raised_where_the_guards_pass_without_it(self) -> None:
        guards = [Guard("g", run=broken, on_error="raise"), *weighing((1, False), (1, False))]
        state = run(create_guardrail(str.upper, guards, verdict=at_least(2)), {"input": "x"})
        assert state["output"] == "X"

    def test_an_allowed_failure_leaves_the_verdict_to_the_others(self, server: StubServer) -> None:
        server.on("Judge.", Reply({"tripped": True, "reason": "bad"}, gate="guard"))
        guards = [Guard("a", run=broken, on_error="allow"), Guard("b", "Judge.")]
        graph = create_guardrail(str, guards, model=MODEL)
        running = in_background(lambda: run(graph, {"input": "x"}))
        server.wait_until(lambda log: log.waiting("guard") == 1)
        server.open("guard")
        report = running.result(5)["report"]
        assert (report["verdict"], report["blocked_by"]) == ("blocked", ["b"])

    def test_an_unknown_reaction_is_refused(self) -> None:
        with pytest.raises(SetupError, match=r"Guard 'g': on_error='ignore'.*'deny', 'allow' and"):
            Guard("g", run=passes, on_error="ignore")  # type: ignore[arg-type]


class TestRefusal:
    @BOTH
    def test_the_refusal_can_be_made_by_a_model_whose_tokens_are_counted(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("Say no to", "No, because.")
        refusal = ChatPromptTemplate.from_template("Say no to {reasons}") | chat_model(server)
        graph = create_guardrail(str, [Guard("g", run=trips)], refusal=refusal)
        state = run(graph, {"input": "x"}, mode)
        assert state["output"] == "No, because."
        assert "['because']" in server.requests[0].request.text
        usage = state["report"]["usage"]
        assert (usage["calls"], usage["output_tokens"]) == (1, 2)

    def test_the_refusal_can_be_an_async_function(self) -> None:
        async def refuse(report: Any) -> str:
            await asyncio.sleep(0)
            return f"Not {report['verdict']}."

        graph = create_guardrail(str, [Guard("g", run=trips)], refusal=refuse)
        assert run(graph, {"input": "x"})["output"] == "Not blocked."

    def test_a_refusal_that_fails_raises_and_gives_no_answer(self) -> None:
        graph = create_guardrail(str, [Guard("g", run=trips)], refusal=broken)
        with pytest.raises(BranchFailedError, match=r"\(blocked\), and the refusal failed: Look"):
            run(graph, {"input": "x"})

    def test_something_that_is_no_refusal_is_refused(self) -> None:
        refusal: Any = 3
        with pytest.raises(SetupError, match=r"refusal=3 cannot be given"):
            create_guardrail(str, [Guard("g", run=trips)], refusal=refusal)

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    async def test_the_refusal_is_in_the_messages_stream_once(self, mode: str) -> None:
        graph = create_guardrail(str, [Guard("g", run=trips)], input_key="messages")
        parent = StateGraph(MessagesState).add_node("chat", graph).add_edge(START, "chat").compile()
        turn = {"messages": [("user", "x")]}

        def listen(one: Graph) -> list[Any]:
            return events(one, turn, mode, "messages", subgraphs=True)

        for one in (graph, parent):
            seen = await asyncio.to_thread(listen, one)
            assert [message.text for _, (message, _) in seen if message.text] == [REFUSAL]


class TestOnBlock:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
    def test_a_trip_can_raise_with_the_report(self, mode: str) -> None:
        graph = create_guardrail(str, [Guard("g", run=trips)], on_block="raise")
        with pytest.raises(GuardrailTripped, match=r"blocked, by 'g'.* because") as caught:
            run(graph, {"input": "x"}, mode)
        assert caught.value.report["blocked_by"] == ["g"]

    def test_a_guard_that_could_not_judge_raises_too_and_is_told_apart(self) -> None:
        graph = create_guardrail(str, [Guard("g", run=broken)], on_block="raise")
        with pytest.raises(GuardrailTripped) as caught:
            run(graph, {"input": "x"})
        assert caught.value.report["verdict"] == "failed"

    def test_a_pass_raises_nothing(self) -> None:
        graph = create_guardrail(str.upper, [Guard("g", run=passes)], on_block="raise")
        assert run(graph, {"input": "x"})["output"] == "X"


def held_at_three(server: StubServer, **options: Any) -> Graph:
    """A guardrail whose guard trips at its gate, and whose answer waits after three tokens."""
    server.on("Judge.", Reply({"tripped": True, "reason": ""}, gate="guard"))
    server.on("Answer.", Reply("one two three four five", gate="end", gate_after=3))
    return create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL, **options)


class TestRelease:
    @pytest.mark.parametrize("mode", ["stream", "astream"])
    async def test_immediately_shows_tokens_before_the_verdict_and_a_trip_closes_the_request(
        self, server: StubServer, mode: str
    ) -> None:
        graph = held_at_three(server, release="immediately")
        seen: list[Any] = []

        def look(item: Any) -> None:
            seen.append(item)
            if len(tokens(seen)) == 3:
                server.open("guard")

        def listen() -> None:
            for item in graph.stream({"input": "x"}, stream_mode="messages"):
                look(item)

        if mode == "stream":
            await asyncio.to_thread(listen)
        else:
            async for item in graph.astream({"input": "x"}, stream_mode="messages"):
                look(item)
        assert tokens(seen) == ["one", " two", " three"]
        await server.until(lambda log: log.open_requests == 0)
        answer = next(r for r in server.requests if "Answer." in r.request.text)
        assert (answer.status, answer.generated) == ("client_closed", 3)

    @BOTH
    def test_immediately_still_gives_the_refusal_for_an_answer_that_was_done_before(
        self, server: StubServer, mode: str
    ) -> None:
        server.open("end")
        graph = held_at_three(server, release="immediately")
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: any(r.status == "done" for r in log.requests))
        server.open("guard")
        assert running.result(5)["output"] == REFUSAL

    @BOTH
    @pytest.mark.parametrize("max_held", [1, 5])
    def test_no_more_than_so_many_pieces_are_read_before_the_verdict(
        self, max_held: int, mode: str
    ) -> None:
        written: list[int] = []

        async def answer(_: str) -> Any:
            for number in range(50):
                written.append(number)
                begun.set()
                yield f"{number} "

        async def judge(_: str) -> bool:
            await begun.wait()
            before = -1
            while before != len(written):  # until the writer stands still
                before = len(written)
                for _turn in range(20):
                    await asyncio.sleep(0)
            held.append(before)
            return False

        held: list[int] = []
        begun = asyncio.Event()
        graph = create_guardrail(answer, [Guard("g", run=judge)], max_held=max_held)
        state = run(graph, {"input": "x"}, mode)
        assert state["output"] == "".join(f"{number} " for number in range(50))
        assert max_held <= held[0] <= max_held + 2

    @BOTH
    @pytest.mark.parametrize("trips", [True, False])
    def test_a_plain_generator_is_read_as_far_and_closed_after_a_trip(
        self, trips: bool, mode: str
    ) -> None:
        written: list[int] = []
        stands, closed = threading.Event(), threading.Event()

        def answer(_: str) -> Iterator[str]:
            try:
                for number in range(30):
                    written.append(number)
                    if number == 4:  # two wait, one is on its way, and one is being written
                        stands.set()
                    yield f"{number} "
            finally:
                closed.set()

        def judge(_: str) -> bool:
            assert not stands.wait(0.1)
            before.append(len(written))
            return trips

        before: list[int] = []
        graph = create_guardrail(answer, [Guard("g", run=judge)], max_held=2)
        state = run(graph, {"input": "x"}, mode)
        whole = "".join(f"{number} " for number in range(30))
        assert state["output"] == (REFUSAL if trips else whole)
        assert before[0] <= 4
        assert closed.wait(5)

    def test_what_a_plain_generator_raises_is_raised(self) -> None:
        def answer(_: str) -> Iterator[str]:
            yield "a"
            raise LookupError("no more")

        with pytest.raises(BranchFailedError, match="no more"):
            run(create_guardrail(answer, [Guard("g", run=passes)]), {"input": "x"})

    @pytest.mark.parametrize(
        ("options", "parts"),
        [
            ({"release": "never"}, ["Unknown release 'never'", "on_verdict, immediately"]),
            ({"on_block": "stop"}, ["Unknown on_block 'stop'", "refuse, raise"]),
            ({"max_held": 0}, ["max_held=0", "from 1 up"]),
            ({"output_window": 9}, ["output_window=9", "output guards"]),
        ],
    )
    def test_options_that_cannot_work_are_refused(
        self, options: dict[str, Any], parts: list[str]
    ) -> None:
        with pytest.raises(SetupError) as caught:
            create_guardrail(str, [Guard("g", run=passes)], **options)
        assert [part for part in parts if part not in str(caught.value)] == []


class TestReport:
    @BOTH
    def test_it_has_an_entry_per_guard_in_order_the_cancelled_ones_too(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("slow", Reply("", gate="never"))
        server.on("fast", Reply({"tripped": True, "reason": "bad"}, gate="guard"))
        server.on("Answer.", Reply("one two three four", gate="never", gate_after=2))
        guards = [
            Guard("fails", run=broken, on_error="allow"),
            Guard("slow", "A slow look.", timeout=60),
            Guard("fast", "A fast look."),
        ]
        graph = create_guardrail("Answer.", guards, model=MODEL)
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("never") == 2 and log.waiting("guard") == 1)
        server.open("guard")
        report = running.result(5)["report"]
        found = [(guard["name"], guard["finding"], guard["reason"]) for guard in report["guards"]]
        assert found == [
            ("fails", "failed", "LookupError: lost the list"),
            ("slow", "cancelled", "No longer needed."),
            ("fast", "tripped", "bad"),
        ]
        usage = [(g["usage"]["calls"], g["usage"]["partial"]) for g in report["guards"]]
        assert usage == [(0, False), (1, True), (1, False)]
        cancelled = report["usage"]["cancelled"]
        assert (cancelled["calls"], cancelled["output_tokens"], cancelled["partial"]) == (
            2,
            2,
            True,
        )

    def test_a_trip_that_does_not_block_is_no_reason(self) -> None:
        guards = weighing((1, True), (1, False))
        report = run(create_guardrail(str, guards, verdict=at_least(2)), {"input": "x"})["report"]
        assert (report["blocked_by"], report["reasons"]) == ([], [])
        assert [guard["finding"] for guard in report["guards"]] == ["tripped", "passed"]
