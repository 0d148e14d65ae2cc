"""Guards that rewrite the input: the answer in flight is discarded, and begun again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from drive import MODEL, events, in_background, run, statuses, tokens
from langchain_core.messages import AIMessage
from stub_server import Reply, StubServer

from langgraph_parallel import Guard, SetupError, at_least, create_guardrail, mask_personal
from langgraph_parallel.nodes.guard import REFUSAL

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
MASK = Guard("mask", run=mask_personal, rewrites=True)


def passes(_: Any) -> bool:
    return False


class TestMask:
    @pytest.mark.parametrize(
        ("text", "masked"),
        [
            ("write to ann.b+c@mail.example.org.", "write to [e-mail]."),
            ("a@b, a@, @b.c, a b.c", "a@b, a@, @b.c, a b.c"),
            ("4111111111111111", "[card]"),
            ("4111-1111-1111-1111 and 5500 0000 0000 0004", "[card] and [card]"),
            ("4111 1111 1111 1112", "4111 1111 1111 1112"),
            ("order 123456789012", "order 123456789012"),
            ("x41111111111111111119999", "x41111111111111111119999"),
            ("", ""),
        ],
    )
    def test_addresses_and_card_numbers_are_masked_and_nothing_else(
        self, text: str, masked: str
    ) -> None:
        assert mask_personal(text) == masked
        assert mask_personal(masked) == masked

    def test_data_is_masked_in_its_texts(self) -> None:
        value = {"to": ["ann@example.org", 4111111111111111, None]}
        assert mask_personal(value) == {"to": ["[e-mail]", 4111111111111111, None]}

    def test_a_long_word_takes_no_long_time(self) -> None:
        assert len(mask_personal("a" * 200_000)) == 200_000


class TestInput:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream"])
    def test_the_answer_in_flight_is_closed_and_begun_again_with_the_new_input(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("Mask it.", Reply({"tripped": False, "reason": "", "rewrite": "B"}, gate="mask"))
        server.on(lambda r: r.text.endswith("A"), Reply("old old old", gate="never", gate_after=2))
        server.on(lambda r: r.text.endswith("B"), "all new")
        guards = [Guard("ok", run=passes), Guard("mask", "Mask it.", rewrites=True)]
        graph = create_guardrail("Answer.", guards, model=MODEL)
        running = in_background(lambda: run(graph, {"input": "A"}, mode))
        server.wait_until(lambda log: log.waiting("mask") == 1 and log.waiting("never") == 1)
        server.open("mask")
        state = running.result(5)
        assert state["output"] == "all new"
        old = next(r for r in server.requests if r.request.text.endswith("Answer.\nA"))
        server.wait_until(lambda log: log.open_requests == 0)
        assert (old.status, old.generated) == ("client_closed", 2)
        report = state["report"]
        assert [guard["finding"] for guard in report["guards"]] == ["passed", "rewritten"]
        answer = report["branches"][-1]
        assert (answer["usage"]["calls"], answer["usage"]["partial"]) == (2, True)

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    def test_no_token_of_the_discarded_answer_leaves(self, server: StubServer, mode: str) -> None:
        server.on(lambda r: "ann@" in r.text, "to ann@example.org")
        server.on("", "to nobody")
        graph = create_guardrail("Answer.", [MASK], model=MODEL)
        seen = events(graph, {"input": "ann@example.org"}, mode, ["messages", "values", "custom"])
        assert tokens([item for kind, item in seen if kind == "messages"]) == ["to", " nobody"]
        assert seen[-1][1]["output"] == "to nobody"

    def test_nothing_to_change_leaves_the_answer_in_flight_alone(self, server: StubServer) -> None:
        server.on("", "yes")
        state = run(create_guardrail("Answer.", [MASK], model=MODEL), {"input": "x"})
        assert (state["output"], len(server.requests)) == ("yes", 1)
        assert state["report"]["guards"][0]["finding"] == "passed"

    @BOTH
    def test_guards_that_rewrite_work_in_their_order_whatever_their_speed(self, mode: str) -> None:
        async def first(text: str) -> str:
            for _ in range(50):
                await asyncio.sleep(0)
            return f"{text}1"

        guards = [
            Guard("first", run=first, rewrites=True),
            Guard("second", run=lambda text: f"{text}2", rewrites=True),
            Guard("third", run=lambda text: text, rewrites=True),
        ]
        state = run(create_guardrail(str.upper, guards), {"input": "x"}, mode)
        assert state["output"] == "X12"

    def test_with_one_place_they_still_come_to_an_end(self) -> None:
        guards = [Guard(f"g{i}", run=lambda text, n=i: f"{text}{n}", rewrites=True) for i in "123"]
        graph = create_guardrail(str.upper, [*guards, Guard("ok", run=passes)], max_concurrency=1)
        assert run(graph, {"input": "x"}, "ainvoke")["output"] == "X123"

    def test_a_pass_that_is_certain_still_waits_for_a_rewrite(self, server: StubServer) -> None:
        server.on("Mask it.", Reply({"tripped": False, "reason": "", "rewrite": "b"}, gate="mask"))
        guards = [*(Guard(f"g{i}", run=passes) for i in range(2))]
        guards.append(Guard("mask", "Mask it.", rewrites=True))
        graph = create_guardrail(str.upper, guards, verdict=at_least(2), model=MODEL)
        running = in_background(lambda: run(graph, {"input": "a"}))
        server.wait_until(lambda log: log.waiting("mask") == 1)
        server.open("mask")
        assert running.result(5)["output"] == "B"

    def test_a_trip_beside_a_rewrite_blocks(self) -> None:
        guards = [MASK, Guard("trips", run=lambda text: "@" in text)]
        state = run(create_guardrail(str.upper, guards), {"input": "ann@example.org"})
        assert (state["output"], state["report"]["verdict"]) == (REFUSAL, "blocked")

    @BOTH
    def test_guards_that_go_first_send_the_answer_nothing_but_the_new_input(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", "yes")
        graph = create_guardrail("Answer.", [MASK], model=MODEL, mode="blocking")
        assert run(graph, {"input": "ann@example.org"}, mode)["output"] == "yes"
        assert [r.request.text for r in server.requests] == ["Answer.\n[e-mail]"]

    @BOTH
    def test_a_conversation_is_rewritten_message_by_message(self, mode: str) -> None:
        async def answer(talk: list[dict[str, str]]) -> AIMessage:
            return AIMessage(" | ".join(message["content"] for message in talk))

        graph = create_guardrail(answer, [MASK], input_key="messages")
        talk = [("user", "I am ann@example.org"), ("ai", "Hi"), ("user", "Who?")]
        assert run(graph, {"messages": talk}, mode)["messages"][-1].text == (
            "I am [e-mail] | Hi | Who?"
        )

    @pytest.mark.parametrize("output", [3, None, ["x"], {"text": "x"}, {"rewrite": 3}])
    def test_a_rewrite_of_another_kind_denies_and_says_what_to_give(self, output: Any) -> None:
        graph = create_guardrail(str, [Guard("g", run=lambda _: output, rewrites=True)])
        report = run(graph, {"input": "x"})["report"]
        assert report["verdict"] == "failed"
        assert "Give the str as it should be" in report["reasons"][0]

    def test_a_rewrite_that_fails_and_is_allowed_leaves_the_input_as_it_was(self) -> None:
        guards = [
            Guard("a", run=lambda text: f"{text}1", rewrites=True),
            Guard("b", run=lambda _: 1 / 0, rewrites=True, on_error="allow"),
            Guard("c", run=lambda text: f"{text}3", rewrites=True),
        ]
        state = run(create_guardrail(str.upper, guards), {"input": "x"})
        assert (state["output"], statuses(state)["b"]) == ("X13", "error")

    def test_an_answer_that_failed_before_the_rewrite_is_written_for_the_new_input(
        self, server: StubServer
    ) -> None:
        server.on("Mask it.", Reply({"tripped": False, "reason": "", "rewrite": "B"}, gate="mask"))
        server.on(lambda r: r.text.endswith("A"), Reply(status=400))
        server.on("", "fine")
        guards = [Guard("mask", "Mask it.", rewrites=True)]
        graph = create_guardrail("Answer.", guards, model=MODEL)
        running = in_background(lambda: run(graph, {"input": "A"}))
        server.wait_until(
            lambda log: log.waiting("mask") == 1 and any(r.status == "error" for r in log.requests)
        )
        server.open("mask")
        assert running.result(5)["output"] == "fine"

    def test_a_stream_of_the_new_answer_flows_as_it_comes(self) -> None:
        async def answer(text: str) -> AsyncIterator[str]:
            for piece in (text, " it", " is"):
                yield piece

        seen = events(create_guardrail(answer, [MASK]), {"input": "a@b.de"}, "astream", "messages")
        assert tokens(seen) == ["[e-mail]", " it", " is"]

    def test_trip_on_beside_rewrites_is_refused(self) -> None:
        with pytest.raises(SetupError, match="trip_on= beside rewrites=True"):
            Guard("g", run=str, rewrites=True, trip_on="unsafe")


class TestOtherProcess:
    """A run that goes on where what its nodes told one another is not known."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("langgraph_parallel.nodes.guardrail.find_live", lambda _: None)

    @BOTH
    def test_the_answer_gets_the_new_input_alone(self, server: StubServer, mode: str) -> None:
        server.on("", "yes")
        graph = create_guardrail("Answer.", [MASK], model=MODEL)
        assert run(graph, {"input": "ann@example.org"}, mode)["output"] == "yes"
        assert [r.request.text for r in server.requests] == ["Answer.\n[e-mail]"]

    def test_a_second_guard_that_rewrites_cannot_know_what_the_first_made_and_denies(self) -> None:
        graph = create_guardrail(str, [MASK, Guard("second", run=str.upper, rewrites=True)])
        report = run(graph, {"input": "x"})["report"]
        assert (report["verdict"], report["blocked_by"]) == ("failed", ["second"])
        assert "Run the graph anew" in report["reasons"][0]
