"""Guards that read the answer: only what they have judged is released."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from drive import MODEL, Graph, chat_model, each, events, in_background, run, statuses, tokens
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from stub_server import Reply, StubServer

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    GuardrailTripped,
    SetupError,
    at_least,
    create_guardrail,
    mask_personal,
)
from langgraph_parallel.nodes.findings import guard_report, raised_by
from langgraph_parallel.nodes.guard import REFUSAL
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
STREAMS = pytest.mark.parametrize("mode", ["stream", "astream"])
PASSES = Guard("passes", run=lambda _: False)
MASK = Guard("mask", run=mask_personal, rewrites=True)


def no(word: str, name: str = "no", **options: Any) -> Guard:
    return Guard(name, run=lambda text: word in text, **options)


def shown(seen: list[Any]) -> str:
    return "".join(tokens([item for kind, item in seen if kind == "messages"]))


def pieces_of(text: str, size: int) -> Any:
    async def answer(_: str) -> AsyncIterator[str]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    return answer


class TestWhole:
    @BOTH
    @pytest.mark.parametrize("guards", [[PASSES], []])
    def test_a_trip_on_the_answer_gives_the_refusal(self, guards: list[Guard], mode: str) -> None:
        graph = create_guardrail(str.upper, guards, output_guards=[no("X")])
        state = run(graph, {"input": "x"}, mode)
        report = state["report"]
        assert (state["output"], report["verdict"]) == (REFUSAL, "blocked")
        assert report["blocked_by"] == ["no"]
        assert [guard["finding"] for guard in report["output_guards"]] == ["tripped"]
        assert statuses(state)["respond"] == "cancelled"
        assert run(graph, {"input": "1"}, mode)["output"] == "1"

    @STREAMS
    def test_no_token_leaves_before_the_whole_is_judged(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("Judge.", {"tripped": True, "reason": "rude"})
        server.on("Answer.", "a secret")
        graph = create_guardrail(
            "Answer.", [PASSES], output_guards=[Guard("g", "Judge.")], model=MODEL
        )
        modes = ["messages", "values", "updates", "custom"]
        seen = events(graph, {"input": "x"}, mode, modes, subgraphs=True)
        assert "secret" not in str(seen)
        assert [r.request.text for r in server.requests if "Judge." in r.request.text] == [
            "Judge.\na secret"
        ]

    @BOTH
    def test_data_and_messages_are_judged_as_they_are(self, mode: str) -> None:
        guard = Guard("low", run=lambda data: data["score"] < 3)
        graph = create_guardrail(lambda score: {"score": score}, output_guards=[guard])
        assert run(graph, {"input": 5}, mode)["output"] == {"score": 5}
        assert run(graph, {"input": 1}, mode)["output"] == REFUSAL

    @pytest.mark.parametrize(("tripped", "verdict"), [(1, "passed"), (2, "blocked")])
    def test_the_output_guards_have_a_verdict_rule_of_their_own(
        self, tripped: int, verdict: str
    ) -> None:
        guards = [Guard(f"g{i}", run=lambda _, t=i < tripped: t) for i in range(3)]
        graph = create_guardrail(str, output_guards=guards, output_verdict=at_least(2))
        assert run(graph, {"input": "x"})["report"]["verdict"] == verdict

    @pytest.mark.parametrize(
        ("guard", "verdict"),
        [
            (Guard("g", run=lambda _: 1 / 0), "failed"),
            (Guard("g", run=lambda _: asyncio.Event().wait(), timeout=0.02), "timed_out"),
        ],
    )
    def test_a_guard_that_cannot_judge_denies_and_shows_it(
        self, guard: Guard, verdict: str
    ) -> None:
        state = run(create_guardrail(str, [PASSES], output_guards=[guard]), {"input": "x"})
        assert (state["output"], state["report"]["verdict"]) == (REFUSAL, verdict)

    def test_a_failure_can_be_raised(self) -> None:
        guard = Guard("g", run=lambda _: 1 / 0, on_error="raise")
        with pytest.raises(BranchFailedError, match=r"Guard 'g' failed \(error\): ZeroDivision"):
            run(create_guardrail(str, [PASSES], output_guards=[guard]), {"input": "x"})

    def test_a_trip_can_be_raised(self) -> None:
        graph = create_guardrail(str, output_guards=[no("x")], on_block="raise")
        with pytest.raises(GuardrailTripped, match="blocked, by 'no'"):
            run(graph, {"input": "x"})

    def test_an_audit_records_and_releases(self) -> None:
        graph = create_guardrail(str, output_guards=[no("x")], output_verdict="audit")
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["verdict"]) == ("x", "passed")
        assert state["report"]["output_guards"][0]["finding"] == "tripped"

    def test_a_trip_on_the_input_leaves_the_output_guards_cancelled(self) -> None:
        graph = create_guardrail(str, [no("x")], output_guards=[no("y", "out")], mode="blocking")
        assert run(graph, {"input": "x"})["report"]["output_guards"] == []

    def test_a_trip_on_the_answer_cancels_guards_of_the_input_that_are_at_work(
        self, server: StubServer
    ) -> None:
        server.on("slow", Reply("", gate="never"))
        slow = Guard("slow", "A slow look.", timeout=60)

        def when_slow_is_at_work(_: str) -> bool:
            server.wait_until(lambda log: log.waiting("never") == 1)
            return True

        out = Guard("out", run=when_slow_is_at_work)
        state = run(create_guardrail(str, [slow], output_guards=[out], model=MODEL), {"input": "x"})
        assert (state["output"], state["report"]["blocked_by"]) == (REFUSAL, ["out"])
        assert statuses(state)["slow"] == "cancelled"

    @pytest.mark.parametrize(("tripped", "by"), [(True, "in"), (False, "out"), (None, "out")])
    def test_of_two_denials_that_of_the_input_counts(self, tripped: bool | None, by: str) -> None:
        spec = GuardrailSpec(str, [Guard("in", run=str)], output_guards=[Guard("out", run=str)])
        found: dict[str, Any] = {"tripped": tripped, "reason": None}
        results: Any = [
            {
                "index": 0,
                "name": "in",
                "status": "ok" if found["tripped"] is not None else "cancelled",
            },
            {"index": 1, "name": "respond", "status": "cancelled"},
            {"index": 2, "name": "out", "status": "error"},
        ]
        shared = {"error": "e", "usage": None, "seconds": 0.0, "started": 0.0, "output": found}
        results = [{**shared, **result} for result in results]
        results[1]["denied"] = {"verdict": "failed", "raised_by": 2, "released": "x"}
        report = guard_report(spec, results)
        assert report["blocked_by"] == [by]
        assert report["verdict"] == ("blocked" if by == "in" else "failed")
        raised = raised_by(spec, results)
        assert (raised and raised["name"]) == (None if by == "in" else "out")

    def test_one_guard_can_read_both_sides(self) -> None:
        graph = create_guardrail(str.upper, [no("x")], output_guards=[no("A")])
        verdicts = [run(graph, {"input": text})["report"]["verdict"] for text in "xab"]
        assert verdicts == ["blocked", "blocked", "passed"]

    def test_no_guards_at_all_are_refused(self) -> None:
        with pytest.raises(SetupError, match="No guards were given"):
            create_guardrail(str)

    def test_an_agent_releases_only_the_answer_that_was_judged(self, server: StubServer) -> None:
        server.on("", "thinking of a secret")
        model = chat_model(server)

        async def think(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
            await model.ainvoke("x", config)
            return {"messages": [AIMessage("done")]}

        agent = StateGraph(MessagesState).add_node("think", think).add_edge(START, "think")
        graph = create_guardrail(agent.compile(), output_guards=[no("secret")])
        seen = events(graph, {"input": "x"}, "astream", ["messages", "values"])
        assert "secret" not in str(seen)
        assert seen[-1][1]["output"] == "done"


def windowed(server: StubServer, *guards: Guard, window: int = 8, lookback: int = 8) -> Graph:
    return create_guardrail(
        "Answer.",
        [PASSES],
        output_guards=guards,
        output_window=window,
        output_lookback=lookback,
        model=MODEL,
    )


class TestWindows:
    @STREAMS
    async def test_judged_text_leaves_while_the_rest_is_being_written(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", Reply("one two three four five six", gate="end", gate_after=4))
        graph = windowed(server, no("zebra"))
        seen: list[Any] = []

        def look(item: Any) -> None:
            seen.append(item)
            if "".join(tokens(seen)).startswith("one"):
                server.open("end")

        if mode == "stream":
            await asyncio.wait_for(
                asyncio.to_thread(
                    lambda: each(graph.stream({"input": "x"}, stream_mode="messages"), look)
                ),
                10,
            )
        else:
            async for item in graph.astream({"input": "x"}, stream_mode="messages"):
                look(item)
        assert "".join(tokens(seen)) == "one two three four five six"

    @STREAMS
    def test_a_trip_closes_the_request_and_the_refusal_follows_what_was_released(
        self, server: StubServer, mode: str
    ) -> None:
        text = "one two three four zebra six seven"
        server.on("", Reply(text, gate="end", gate_after=6))
        graph = windowed(server, no("zebra"))
        seen = events(graph, {"input": "x"}, mode, ["messages", "values"])
        state = seen[-1][1]
        released = state["output"].removesuffix(f"\n\n{REFUSAL}")
        assert shown(seen) == state["output"]
        assert released
        assert text.startswith(released)
        assert "z" not in released
        assert len({message.id for message, _ in _messages(seen)}) == 1
        server.wait_until(lambda log: log.open_requests == 0)
        assert (server.requests[0].status, server.requests[0].generated) == ("client_closed", 6)
        assert state["report"]["verdict"] == "blocked"

    @pytest.mark.parametrize("lookback", [5, 9])
    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    @pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 13])
    @pytest.mark.parametrize("start", range(0, 24, 3))
    def test_a_word_is_found_wherever_a_border_cuts_it_and_no_part_of_it_leaves(
        self, start: int, window: int, size: int, lookback: int
    ) -> None:
        text = "." * start + "zebra" + "." * 12
        graph = create_guardrail(
            pieces_of(text, size),
            output_guards=[no("zebra")],
            output_window=window,
            output_lookback=lookback,
        )
        seen = events(graph, {"input": "x"}, "astream", ["messages", "values"])
        assert "z" not in shown(seen)
        assert seen[-1][1]["report"]["verdict"] == "blocked"

    async def test_generation_goes_on_while_a_window_is_judged(self, server: StubServer) -> None:
        server.on("Judge.", Reply({"tripped": False, "reason": ""}, gate="guard"))
        server.on("Answer.", "one two three four five six seven")
        graph = windowed(server, Guard("g", "Judge."), window=4, lookback=2)
        running = asyncio.create_task(graph.ainvoke({"input": "x"}))
        await server.until(
            lambda log: (
                log.waiting("guard") == 1
                and any(r.status == "done" and "Answer." in r.request.text for r in log.requests)
            )
        )
        server.open("guard")
        state = await running
        assert state["output"] == "one two three four five six seven"
        (guard,) = state["report"]["output_guards"]
        assert guard["usage"]["calls"] == server.count("Judge.") > 2

    @STREAMS
    def test_nothing_leaves_before_the_guards_of_the_input_have_passed_it(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("Judge.", Reply({"tripped": True, "reason": ""}, gate="guard"))
        server.on("Answer.", "a secret of many words")
        graph = create_guardrail(
            "Answer.",
            [Guard("g", "Judge.")],
            output_guards=[PASSES],
            output_window=2,
            output_lookback=0,
            model=MODEL,
        )
        running = in_background(
            lambda: events(graph, {"input": "x"}, mode, ["messages", "values", "custom"])
        )
        server.wait_until(lambda log: log.waiting("guard") == 1 and log.count("Answer.") == 1)
        server.wait_until(lambda log: any(r.status == "done" for r in log.requests))
        server.open("guard")
        seen = running.result(5)
        assert "secret" not in str(seen)
        assert seen[-1][1]["output"] == REFUSAL

    def test_with_two_places_in_all_answer_and_guards_do_not_wait_for_one_another(self) -> None:
        guards = [Guard(f"g{i}", run=lambda _: False) for i in range(3)]
        graph = create_guardrail(
            pieces_of("one two three", 2),
            [PASSES],
            output_guards=guards,
            output_window=2,
            output_lookback=1,
            max_concurrency=1,
        )
        assert run(graph, {"input": "x"}, "ainvoke")["output"] == "one two three"

    @BOTH
    @pytest.mark.usefixtures("no_waits")
    def test_an_answer_that_breaks_off_before_anything_left_is_tried_again(
        self, server: StubServer, mode: str
    ) -> None:
        fault = Reply("one two three", drop=True, drop_after=2)
        server.on("", lambda request: fault if request.seen == 0 else "one two three")
        graph = windowed(server, PASSES, window=50)
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], state["report"]["branches"][1]["attempts"]) == ("one two three", 2)

    @pytest.mark.parametrize(
        ("options", "parts"),
        [
            ({"output_window": 0}, ["output_window=0", "from 1 up"]),
            ({"output_lookback": -1}, ["output_lookback=-1", "from 0 up"]),
            ({"output_verdict": at_least(2)}, ["needs 2 trips", "1 guards"]),
        ],
    )
    def test_options_that_cannot_work_are_refused(
        self, options: dict[str, Any], parts: list[str]
    ) -> None:
        with pytest.raises(SetupError) as caught:
            create_guardrail(str, output_guards=[PASSES], **options)
        assert [part for part in parts if part not in str(caught.value)] == []


def _messages(seen: list[Any]) -> list[Any]:
    return [item for kind, item in seen if kind == "messages"]


class TestRewriting:
    @BOTH
    def test_what_is_released_is_the_new_text(self, mode: str) -> None:
        graph = create_guardrail(str, output_guards=[MASK])
        state = run(graph, {"input": "to ann@example.org"}, mode)
        assert state["output"] == "to [e-mail]"
        assert state["report"]["output_guards"][0]["finding"] == "rewritten"

    @pytest.mark.parametrize("size", [1, 3, 5])
    @pytest.mark.parametrize("window", [1, 4, 9, 30])
    @pytest.mark.parametrize("lookback", [20, 30])
    def test_an_address_or_number_that_a_border_cuts_is_masked_whole(
        self, lookback: int, window: int, size: int
    ) -> None:
        text = "Write to ann@example.org, pay with 4111 1111 1111 1111. Then wait" + " on" * 30
        graph = create_guardrail(
            pieces_of(text, size),
            output_guards=[MASK],
            output_window=window,
            output_lookback=lookback,
        )
        seen = events(graph, {"input": "x"}, "astream", ["messages", "values"])
        assert shown(seen) == mask_personal(text) == seen[-1][1]["output"]
        assert len(tokens([item for kind, item in seen if kind == "messages"])) > 1

    def test_several_rewrite_in_their_order_beside_guards_that_judge(self) -> None:
        guards = [
            Guard("a", run=lambda text: f"{text}1", rewrites=True),
            no("1"),
            Guard("b", run=lambda text: f"{text}2", rewrites=True),
        ]
        assert run(create_guardrail(str, output_guards=guards), {"input": "x"})["output"] == "x12"

    def test_a_model_can_rewrite(self, server: StubServer) -> None:
        server.on("Soften.", {"tripped": False, "reason": "rude", "rewrite": "Please wait."})
        soften = Guard("soften", "Soften.", rewrites=True)
        graph = create_guardrail(str, output_guards=[soften], model=MODEL)
        assert run(graph, {"input": "Wait!"})["output"] == "Please wait."
