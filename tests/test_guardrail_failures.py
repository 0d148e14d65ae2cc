"""Guards and answers that fail, hang or break off."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
from drive import MODEL, Graph, events, in_background, run, statuses, tokens
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt
from stub_server import ChatRequest, Reply, StubServer
from text_model import TextModel

from langgraph_parallel import BranchFailedError, Guard, at_least, create_guardrail
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def broken(_: str) -> bool:
    raise LookupError("lost the list")


async def hang(_: str) -> bool:
    await asyncio.Event().wait()
    return False


def trips(_: str) -> bool:
    return True


def passes(_: str) -> bool:
    return False


async def cancels_itself(_: str) -> bool:
    raise asyncio.CancelledError


FAILS = Guard("fails", run=broken)
HANGS = Guard("hangs", run=hang, timeout=0.02)
TRIPS = Guard("trips", run=trips)
PASSES = Guard("passes", run=passes)
CANCELS = Guard("cancels", run=cancels_itself)


class TestGuardFailures:
    @BOTH
    @pytest.mark.parametrize(
        ("guard", "verdict", "reason"),
        [
            (FAILS, "failed", "LookupError: lost the list"),
            (HANGS, "timed_out", "No result within 0.02 seconds."),
            (CANCELS, "failed", "The call was cancelled from within."),
        ],
        ids=lambda part: getattr(part, "name", ""),
    )
    def test_a_guard_that_finds_nothing_denies_by_default(
        self, guard: Guard, verdict: str, reason: str, mode: str
    ) -> None:
        state = run(create_guardrail(str.upper, [PASSES, guard]), {"input": "x"}, mode)
        report = state["report"]
        assert (state["output"], report["verdict"]) == (REFUSAL, verdict)
        assert (report["blocked_by"], report["reasons"]) == ([guard.name], [reason])
        assert statuses(state)["respond"] == "cancelled"

    @BOTH
    @pytest.mark.parametrize(
        ("guard", "options", "finding"),
        [
            (FAILS, {"on_guard_error": "allow"}, "failed"),
            (HANGS, {"on_guard_timeout": "allow"}, "timed_out"),
        ],
    )
    def test_a_guard_that_finds_nothing_can_be_allowed_and_still_shows(
        self, guard: Guard, options: dict[str, Any], finding: str, mode: str
    ) -> None:
        state = run(create_guardrail(str.upper, [PASSES, guard], **options), {"input": "x"}, mode)
        assert (state["output"], state["report"]["verdict"]) == ("X", "passed")
        assert [guard["finding"] for guard in state["report"]["guards"]] == ["passed", finding]

    @pytest.mark.parametrize(
        ("guard", "options"),
        [(FAILS, {"on_guard_timeout": "allow"}), (HANGS, {"on_guard_error": "allow"})],
    )
    def test_allowing_one_kind_of_failure_does_not_allow_the_other(
        self, guard: Guard, options: dict[str, Any]
    ) -> None:
        state = run(create_guardrail(str.upper, [guard], **options), {"input": "x"})
        assert state["output"] == REFUSAL

    def test_a_real_trip_is_named_before_a_failure(self) -> None:
        graph = create_guardrail(str, [FAILS, TRIPS], verdict=at_least(2))
        assert run(graph, {"input": "x"})["report"]["verdict"] == "blocked"

    @BOTH
    def test_a_plain_function_that_hangs_is_left_at_its_deadline(self, mode: str) -> None:
        forever = threading.Event()
        guard = Guard("g", run=lambda _: forever.wait(30), timeout=0.02)
        state = run(create_guardrail(str, [guard]), {"input": "x"}, mode)
        assert state["report"]["verdict"] == "timed_out"
        forever.set()

    @pytest.mark.usefixtures("no_waits")
    def test_a_guard_is_tried_again_after_a_passing_fault(self, server: StubServer) -> None:
        def reply(request: ChatRequest) -> Reply:
            ok = Reply({"tripped": False, "reason": ""})
            return Reply(status=503) if request.seen == 0 else ok

        server.on("", reply)
        state = run(
            create_guardrail(str.upper, [Guard("g", "Judge.")], model=MODEL), {"input": "x"}
        )
        assert (state["output"], state["report"]["branches"][0]["attempts"]) == ("X", 2)

    def test_a_deadline_closes_the_guards_request(self, server: StubServer) -> None:
        server.on("", Reply("", gate="never"))
        guard = Guard("g", "Judge.", timeout=0.5)
        state = run(create_guardrail(str, [guard], model=MODEL), {"input": "x"})
        assert state["report"]["verdict"] == "timed_out"
        server.wait_until(lambda log: log.requests[0].status == "client_closed")

    @pytest.mark.parametrize(
        ("reply", "verdict"), [("I must say: blocked.", "blocked"), ("allowed", "passed")]
    )
    def test_a_model_without_structured_output_judges_in_text(
        self, reply: str, verdict: str
    ) -> None:
        model = TextModel(replies={"Judge.": reply})
        graph = create_guardrail(str.upper, [Guard("g", "Judge.")], model=model)
        assert run(graph, {"input": "x"})["report"]["verdict"] == verdict

    def test_a_text_that_decides_nothing_denies(self) -> None:
        model = TextModel(replies={"Judge.": "Well, blocked or allowed?"})
        graph = create_guardrail(str.upper, [Guard("g", "Judge.")], model=model)
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["verdict"]) == (REFUSAL, "failed")


def judged(server: StubServer, *, mode: Literal["parallel", "blocking"] = "parallel") -> Graph:
    """A guardrail whose only guard passes when its gate is opened."""
    server.on("Judge.", Reply({"tripped": False, "reason": ""}, gate="guard"))
    return create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL, mode=mode)


class TestAnswerFailures:
    @BOTH
    def test_a_failed_answer_raises_and_the_error_has_the_report(self, mode: str) -> None:
        graph = create_guardrail(broken, [PASSES])
        with pytest.raises(BranchFailedError, match=r"failed \(error\): LookupError") as caught:
            run(graph, {"input": "x"}, mode)
        assert caught.value.report["verdict"] == "passed"
        assert statuses({"report": caught.value.report}) == {"passes": "ok", "respond": "error"}

    @BOTH
    def test_a_failed_answer_that_would_have_been_blocked_is_just_blocked(self, mode: str) -> None:
        state = run(create_guardrail(broken, [TRIPS]), {"input": "x"}, mode)
        assert (state["output"], state["report"]["verdict"]) == (REFUSAL, "blocked")

    @BOTH
    def test_an_answer_that_takes_too_long_raises(self, mode: str) -> None:
        graph = create_guardrail(hang, [PASSES], timeout=0.02)
        with pytest.raises(BranchFailedError, match=r"answer failed \(timeout\)"):
            run(graph, {"input": "x"}, mode)

    @BOTH
    @pytest.mark.parametrize(
        "fault", [Reply(status=500), Reply("one two", drop=True, drop_after=1)]
    )
    @pytest.mark.usefixtures("no_waits")
    def test_an_answer_that_fails_while_it_is_held_is_tried_again(
        self, server: StubServer, fault: Reply, mode: str
    ) -> None:
        graph = judged(server)
        server.on("", lambda request: fault if request.seen == 0 else "one two three")
        stream = "stream" if mode == "invoke" else "astream"
        running = in_background(
            lambda: events(graph, {"input": "x"}, stream, ["messages", "values"])
        )
        server.wait_until(lambda log: log.count("Answer.") == 2)
        server.open("guard")
        seen = running.result(5)
        assert "".join(tokens([item for kind, item in seen if kind == "messages"])) == (
            "one two three"
        )
        state = seen[-1][1]
        assert state["output"] == "one two three"
        assert state["report"]["branches"][-1]["attempts"] == 2

    @BOTH
    @pytest.mark.usefixtures("no_waits")
    def test_an_answer_that_breaks_off_after_tokens_have_left_is_not_repeated(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", Reply("one two three", drop=True, drop_after=2, gate="rest", gate_after=2))
        graph = create_guardrail("Answer.", [PASSES], model=MODEL)
        seen: list[Any] = []

        async def listen() -> None:
            async for item in graph.astream({"input": "x"}, stream_mode="messages"):
                seen.append(item)
                server.open("rest")

        def listen_sync() -> None:
            for item in graph.stream({"input": "x"}, stream_mode="messages"):
                seen.append(item)
                server.open("rest")

        with pytest.raises(BranchFailedError, match="answer broke off after 7 characters"):
            listen_sync() if mode == "invoke" else asyncio.run(listen())
        assert (tokens(seen), len(server.requests)) == (["one", " two"], 1)

    @pytest.mark.usefixtures("no_waits")
    async def test_an_answer_that_fails_after_the_verdict_but_before_a_token_is_tried_again(
        self,
    ) -> None:
        tries = []

        async def answer(_: str) -> AsyncIterator[str]:
            tries.append(1)
            if len(tries) == 1:
                raise ConnectionError("lost")
            yield "fine"

        graph = create_guardrail(answer, [PASSES], mode="blocking")
        state = await graph.ainvoke({"input": "x"})
        assert (state["output"], len(tries)) == ("fine", 2)

    def test_a_stream_of_something_else_than_text_says_what_to_stream(self) -> None:
        async def numbers(_: str) -> AsyncIterator[int]:
            yield 1

        with pytest.raises(BranchFailedError, match=r"streamed a int\. Stream text or messages"):
            run(create_guardrail(numbers, [PASSES]), {"input": "x"})

    @pytest.mark.skipif(
        sys.version_info < (3, 11), reason="LangGraph's interrupt() in async runs needs Python 3.11"
    )
    @BOTH
    def test_an_agent_that_pauses_for_a_human_is_an_error_not_an_answer(self, mode: str) -> None:
        def approve(state: MessagesState) -> dict[str, Any]:
            return {"messages": [("ai", interrupt("May I?"))]}

        agent = StateGraph(MessagesState)
        agent.add_node("approve", approve)
        agent.add_edge(START, "approve")
        graph = create_guardrail(agent.add_edge("approve", END).compile(), [PASSES])
        with pytest.raises(BranchFailedError, match="paused for an interrupt"):
            run(graph, {"input": "x"}, mode)


@pytest.mark.parametrize(
    ("guards", "logged"),
    [
        ([Guard("trips", run=lambda _: True)], []),
        ([Guard("fine", run=lambda _: False)], []),
        (
            [Guard("breaks", run=lambda _: "perhaps"), HANGS],
            ["A guardrail refused, as guards could not judge: breaks: "],
        ),
    ],
)
def test_a_refusal_because_guards_failed_is_logged(
    caplog: pytest.LogCaptureFixture, guards: list[Guard], logged: list[str]
) -> None:
    create_guardrail(str, guards).invoke({"input": "x"})
    found = [r.getMessage() for r in caplog.records if r.name.startswith("langgraph_parallel")]
    assert len(found) == len(logged)
    assert all(line.startswith(text) for line, text in zip(found, logged, strict=True))
