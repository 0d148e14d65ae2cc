"""Guardrail: guards find, a rule makes the verdict, the answer or the refusal comes out."""

import threading
from typing import Any

import pytest
from drive import MODEL, in_background, run, statuses
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.runtime import Runtime
from pydantic import BaseModel
from stub_server import Reply, StubServer

from langgraph_parallel import Guard, Voter, at_least, create_guardrail, create_voting
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def guards(*trips: bool) -> list[Guard]:
    return [Guard(f"g{i}", run=lambda _, t=trip: t) for i, trip in enumerate(trips)]


class Found(BaseModel):
    tripped: bool
    topic: str


class TestGuards:
    @BOTH
    def test_a_prompt_judges_the_input(self, server: StubServer, mode: str) -> None:
        server.on(
            "Is this harmful?",
            lambda request: {"tripped": "poison" in request.text, "reason": "it is about poison"},
        )
        server.on("Answer.", "the answer")
        graph = create_guardrail("Answer.", [Guard("harm", "Is this harmful?")], model=MODEL)
        assert run(graph, {"input": "cake"}, mode)["output"] == "the answer"
        blocked = run(graph, {"input": "poison"}, mode)
        assert blocked["output"] == REFUSAL
        assert blocked["report"]["verdict"] == "blocked"
        assert blocked["report"]["blocked_by"] == ["harm"]
        assert blocked["report"]["reasons"] == ["it is about poison"]

    @BOTH
    @pytest.mark.parametrize(
        ("target", "verdict"),
        [
            (lambda text: "x" in text, "blocked"),
            (lambda text: "y" in text, "passed"),
            (lambda _: {"tripped": True, "reason": "r"}, "blocked"),
            (lambda _: {"tripped": False}, "passed"),
            (lambda _: Found(tripped=True, topic="t"), "blocked"),
            (RunnableLambda(lambda text: text == "x"), "blocked"),
        ],
    )
    def test_a_run_judges_the_input(self, target: Any, verdict: str, mode: str) -> None:
        graph = create_guardrail(str.upper, [Guard("g", run=target)])
        state = run(graph, {"input": "x"}, mode)
        assert state["report"]["verdict"] == verdict
        assert state["output"] == ("X" if verdict == "passed" else REFUSAL)

    def test_an_async_function_judges_and_gets_config_and_runtime_by_name(self) -> None:
        async def judge(_: str, *, config: RunnableConfig, runtime: Runtime[None]) -> bool:
            return config.get("metadata", {}).get("who") == "me" and runtime.context is None

        config = RunnableConfig(metadata={"who": "me"})
        graph = create_guardrail(str, [Guard("g", run=judge)])
        assert run(graph, {"input": ""}, "ainvoke", config)["report"]["verdict"] == "blocked"

    def test_a_schema_of_your_own_needs_only_tripped(self, server: StubServer) -> None:
        server.on("", {"tripped": True, "topic": "weapons"})
        graph = create_guardrail(str, [Guard("g", "Judge.", schema=Found)], model=MODEL)
        state = run(graph, {"input": "x"})
        assert (state["report"]["verdict"], state["report"]["reasons"]) == ("blocked", [])

    @pytest.mark.parametrize(("ballot", "verdict"), [("unsafe", "blocked"), ("safe", "passed")])
    def test_a_vote_is_a_guard_that_trips_on_a_label(
        self, server: StubServer, ballot: str, verdict: str
    ) -> None:
        server.on("Vote.", {"ballot": ballot})
        vote = create_voting(Voter("v", "Vote."), options=["safe", "unsafe"], model=MODEL)
        graph = create_guardrail(str.upper, [Guard("vote", run=vote, trip_on="unsafe")])
        state = run(graph, {"input": "x"})
        assert state["report"]["verdict"] == verdict
        assert state["report"]["guards"][0]["usage"]["calls"] == 3

    def test_a_vote_without_a_decision_denies(self) -> None:
        split = [Voter("ann", run=lambda _: "safe"), Voter("bob", run=lambda _: "unsafe")]
        vote = create_voting(split, on_undecided="abstain")
        graph = create_guardrail(str.upper, [Guard("vote", run=vote, trip_on="unsafe")])
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["verdict"]) == (REFUSAL, "failed")

    @pytest.mark.parametrize("output", ["unsafe", None, 1, {"verdict": "bad"}])
    def test_an_output_that_says_neither_denies_and_tells_what_to_give(self, output: Any) -> None:
        graph = create_guardrail(str, [Guard("g", run=lambda _: output)])
        report = run(graph, {"input": "x"})["report"]
        assert report["verdict"] == "failed"
        assert "Give True when it trips and False when it passes" in report["reasons"][0]

    def test_guards_that_are_plain_functions_run_side_by_side(self) -> None:
        meeting = threading.Barrier(12)

        def judge(_: str) -> bool:
            meeting.wait(5)
            return False

        graph = create_guardrail(str.upper, [Guard(f"g{i}", run=judge) for i in range(12)])
        assert run(graph, {"input": "x"})["output"] == "X"

    def test_a_conversation_is_shown_to_guards_as_text_and_to_the_answer_as_it_is(
        self, server: StubServer
    ) -> None:
        server.on("Judge.", {"tripped": False, "reason": ""})
        server.on("Answer.", "so it is")
        graph = create_guardrail(
            "Answer.", [Guard("g", "Judge.")], model=MODEL, input_key="messages"
        )
        talk = [("user", "Hi"), ("assistant", "Yes?"), ("user", "Why?")]
        run(graph, {"messages": talk})
        asked = {record.request.messages[0]["content"]: record for record in server.requests}
        judged, answered = (asked[prompt].request.messages[1:] for prompt in ("Judge.", "Answer."))
        assert [m["content"] for m in judged] == ["human: Hi\n\nai: Yes?\n\nhuman: Why?"]
        assert [m["content"] for m in answered] == ["Hi", "Yes?", "Why?"]


class TestVerdict:
    @BOTH
    @pytest.mark.parametrize(
        ("rule", "trips", "verdict"),
        [
            ("any", [False, True, False], "blocked"),
            ("any", [False, False, False], "passed"),
            ("all", [True, True, False], "passed"),
            ("all", [True, True, True], "blocked"),
            (at_least(2), [True, False, False], "passed"),
            (at_least(2), [True, False, True], "blocked"),
            (at_least(0.5), [True, False, True], "blocked"),
        ],
    )
    def test_the_rule_makes_the_verdict(
        self, rule: Any, trips: list[bool], verdict: str, mode: str
    ) -> None:
        graph = create_guardrail(str.upper, guards(*trips), verdict=rule)
        state = run(graph, {"input": "x"}, mode)
        assert state["report"]["verdict"] == verdict
        assert state["output"] == ("X" if verdict == "passed" else REFUSAL)

    @BOTH
    def test_a_verdict_that_is_certain_cancels_the_other_guards(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("slow", Reply("", gate="never"))
        slow = Guard("slow", "A slow look.", timeout=60)

        def when_slow_is_at_work(_: str) -> bool:
            server.wait_until(lambda log: log.waiting("never") == 1)
            return True

        trips = Guard("trips", run=when_slow_is_at_work)
        graph = create_guardrail(str, [slow, trips], model=MODEL)
        state = run(graph, {"input": "x"}, mode)
        assert statuses(state) == {"slow": "cancelled", "trips": "ok", "respond": "cancelled"}
        server.wait_until(lambda log: log.requests[0].status == "client_closed")
        assert [guard["finding"] for guard in state["report"]["guards"]] == ["cancelled", "tripped"]

    def test_a_pass_that_is_certain_releases_the_answer_before_the_last_guard_is_done(
        self, server: StubServer
    ) -> None:
        server.on("slow", Reply("", gate="never"))
        slow = Guard("slow", "A slow look.", timeout=60)
        graph = create_guardrail(
            str.upper, [slow, *guards(False, False)], verdict=at_least(2), model=MODEL
        )
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["verdict"]) == ("X", "passed")
        assert statuses(state)["slow"] == "cancelled"


class TestRefusal:
    def test_the_refusal_can_be_a_text_of_yours(self) -> None:
        graph = create_guardrail(str, guards(True), refusal="No.")
        assert run(graph, {"input": "x"})["output"] == "No."

    def test_the_refusal_can_be_made_from_the_report(self) -> None:
        def refuse(report: Any) -> str:
            return f"{report['verdict']} by {', '.join(report['blocked_by'])}"

        graph = create_guardrail(str, guards(False, True), refusal=refuse)
        assert run(graph, {"input": "x"})["output"] == "blocked by g1"


class TestBlocking:
    @BOTH
    def test_nothing_is_asked_for_an_answer_before_the_guards_have_passed(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("Judge.", Reply({"tripped": False, "reason": ""}, gate="guard"))
        server.on("Answer.", "the answer")
        graph = create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL, mode="blocking")
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: log.waiting("guard") == 1)
        assert server.count("Answer.") == 0
        server.open("guard")
        state = running.result(5)
        assert (state["output"], server.count("Answer.")) == ("the answer", 1)
        assert list(statuses(state)) == ["g", "respond"]

    @BOTH
    def test_a_trip_never_asks_for_an_answer(self, server: StubServer, mode: str) -> None:
        server.on("Judge.", {"tripped": True, "reason": "no"})
        graph = create_guardrail("Answer.", [Guard("g", "Judge.")], model=MODEL, mode="blocking")
        assert run(graph, {"input": "x"}, mode)["output"] == REFUSAL
        assert server.count("Answer.") == 0
