"""Failures are facts: retried where it helps, in the report, raised with a clear error."""

import asyncio
import json
import traceback
from typing import Any

import pytest
from drive import KEY, MODEL, run, statuses
from pydantic import BaseModel
from stub_server import ChatRequest, Reply, StubServer

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    Section,
    SectionResult,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
)

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


class Score(BaseModel):
    score: int


def broken(_: str) -> str:
    raise LookupError("lost the map")


def fine(_: str) -> str:
    return "fine"


async def hang(_: str) -> str:
    await asyncio.Event().wait()
    return "never"


class TestRequired:
    @BOTH
    def test_a_failed_required_section_raises_and_names_it_and_keeps_its_siblings(
        self, mode: str
    ) -> None:
        graph = create_sectioning(
            [Section("bad", run=broken), Section("good", run=fine), Section("late", run=fine)]
        )
        with pytest.raises(BranchFailedError, match=r"bad \(error\): LookupError") as caught:
            run(graph, {"input": ""}, mode)
        report = caught.value.report
        assert statuses({"report": report}) == {"bad": "error", "good": "ok", "late": "ok"}
        assert [branch["output"] for branch in report["branches"]] == [None, "fine", "fine"]
        assert report["branches"][0]["error"] == "LookupError: lost the map"
        assert report["failed"] == ["bad"]

    @BOTH
    def test_a_section_that_is_not_required_is_left_out(self, mode: str) -> None:
        graph = create_sectioning(
            [Section("bad", run=broken, required=False), Section("good", run=fine)],
            aggregate="merge",
        )
        state = run(graph, {"input": ""}, mode)
        assert state["output"] == {"good": "fine"}
        assert statuses(state) == {"bad": "error", "good": "ok"}
        assert state["report"]["failed"] == ["bad"]

    def test_min_success_tolerates_that_many_failures_and_no_more(self) -> None:
        sections = [Section("a", run=broken), Section("b", run=fine), Section("c", run=fine)]
        enough = create_sectioning(sections, aggregate="merge", min_success=2)
        assert run(enough, {"input": ""})["output"] == {"b": "fine", "c": "fine"}
        with pytest.raises(BranchFailedError, match=r"2 of the 3 sections needed .*a \(error\)"):
            run(create_sectioning(sections, min_success=3), {"input": ""})

    def test_too_few_dynamic_sections_for_min_success_raise(self) -> None:
        graph = create_sectioning(lambda _: [Section("a", run=fine)], min_success=2)
        with pytest.raises(BranchFailedError, match="1 of the 2 sections needed"):
            run(graph, {"input": ""})

    def test_every_failure_is_named(self) -> None:
        graph = create_sectioning(
            [Section("a", run=broken), Section("b", run=hang, timeout=0.01), Section("c", run=fine)]
        )
        with pytest.raises(
            BranchFailedError, match=r"a \(error\): .*; b \(timeout\): No result within 0.01"
        ):
            run(graph, {"input": ""})


class TestKinds:
    @BOTH
    def test_a_branch_that_takes_too_long_ends_as_timeout(self, mode: str) -> None:
        graph = create_sectioning(
            [Section("slow", run=hang, timeout=0.01, required=False), Section("good", run=fine)]
        )
        state = run(graph, {"input": ""}, mode)
        slow = state["report"]["branches"][0]
        assert (slow["status"], slow["error"]) == ("timeout", "No result within 0.01 seconds.")
        assert (slow["output"], slow["attempts"]) == (None, 1)

    @BOTH
    def test_a_timeout_closes_the_request_at_the_server(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("", Reply("late", gate="never"))
        graph = create_sectioning(
            [Section("slow", "Look.", timeout=2.0, required=False)], model=MODEL
        )
        state = run(graph, {"input": "x"}, mode)
        assert statuses(state) == {"slow": "timeout"}
        server.wait_until(lambda log: log.requests[0].status == "client_closed")
        usage = state["report"]["branches"][0]["usage"]
        assert (usage["calls"], usage["partial"]) == (1, True)

    def test_a_reply_that_does_not_fit_the_schema_is_an_error_and_not_retried(
        self, server: StubServer
    ) -> None:
        server.on("", {"score": "many"})
        graph = create_sectioning(
            [Section("a", "Rate.", schema=Score, required=False)], model=MODEL
        )
        (branch,) = run(graph, {"input": "x"})["report"]["branches"]
        assert branch["status"] == "error"
        assert "did not fit the schema Score: score:" in branch["error"]
        assert len(server.requests) == 1

    @BOTH
    @pytest.mark.parametrize("error", [asyncio.CancelledError(), SystemExit(3)], ids=repr)
    def test_a_branch_cannot_end_the_run_by_cancelling_itself_or_exiting(
        self, mode: str, error: BaseException
    ) -> None:
        async def leave(_: str) -> None:
            raise error

        graph = create_sectioning(
            [Section("a", run=leave, required=False), Section("b", run=fine)], aggregate="merge"
        )
        state = run(graph, {"input": ""}, mode)
        assert state["output"] == {"b": "fine"}
        assert statuses(state) == {"a": "error", "b": "ok"}

    def test_a_plain_function_that_exits_is_an_error(self) -> None:
        def leave(_: str) -> None:
            raise SystemExit(3)

        graph = create_sectioning([Section("a", run=leave, required=False)])
        (branch,) = run(graph, {"input": ""})["report"]["branches"]
        assert branch["error"] == "RuntimeError: It called sys.exit(3)."

    def test_an_unreachable_server_is_named(
        self, server: StubServer, monkeypatch: pytest.MonkeyPatch, no_waits: None
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        graph = create_sectioning([Section("a", "Look.")], model=MODEL)
        with pytest.raises(BranchFailedError, match=r"at 127\.0\.0\.1:9 cannot be reached"):
            run(graph, {"input": "x"}, "ainvoke")


def once(reply: Reply) -> Any:
    def answer(request: ChatRequest) -> Reply | str:
        return reply if request.seen == 0 else "fine"

    return answer


@pytest.mark.usefixtures("no_waits")
class TestRetries:
    @BOTH
    @pytest.mark.parametrize(
        "reply",
        [Reply(status=429), Reply(status=500), Reply(drop=True)],
        ids=["429", "500", "drop"],
    )
    def test_a_passing_fault_is_tried_again(
        self, server: StubServer, mode: str, reply: Reply
    ) -> None:
        server.on("", once(reply))
        state = run(create_sectioning([Section("a", "Look.")], model=MODEL), {"input": "x"}, mode)
        (branch,) = state["report"]["branches"]
        assert (branch["output"], branch["attempts"], len(server.requests)) == ("fine", 2, 2)
        assert branch["usage"]["calls"] == 2

    @pytest.mark.parametrize("status", [400, 401, 403, 404])
    def test_a_lasting_fault_is_not_tried_again(self, server: StubServer, status: int) -> None:
        server.on("", once(Reply(status=status)))
        graph = create_sectioning([Section("a", "Look.", required=False)], model=MODEL)
        (branch,) = run(graph, {"input": "x"})["report"]["branches"]
        assert (branch["status"], branch["attempts"], len(server.requests)) == ("error", 1, 1)
        assert f"status {status}" in branch["error"]

    def test_an_error_of_a_function_is_not_tried_again(self) -> None:
        graph = create_sectioning([Section("a", run=broken, required=False)])
        assert run(graph, {"input": ""})["report"]["branches"][0]["attempts"] == 1

    @pytest.mark.parametrize(("retries", "tries"), [(0, 1), (1, 2), (3, 4)])
    def test_retries_end(self, server: StubServer, retries: int, tries: int) -> None:
        server.on("", Reply(status=500))
        graph = create_sectioning(
            [Section("a", "Look.", required=False)], model=MODEL, retries=retries
        )
        (branch,) = run(graph, {"input": "x"})["report"]["branches"]
        assert (branch["status"], branch["attempts"], len(server.requests)) == (
            "error",
            tries,
            tries,
        )

    def test_votes_are_tried_again_too(self, server: StubServer) -> None:
        server.on("", once(Reply(status=500)))
        vote = create_voting(
            [Voter("a", "Vote one."), Voter("b", "Vote two.")], model=MODEL, stop="fixed_2"
        )
        assert [b["attempts"] for b in run(vote, {"input": "x"})["report"]["branches"]] == [2, 2]

    def test_the_synthesis_is_retried_and_its_failed_call_is_on_the_bill(
        self, server: StubServer
    ) -> None:
        server.on("", once(Reply(status=500)))
        graph = create_sectioning([Section("a", run=fine)], model=MODEL, aggregate="synthesize")
        state = run(graph, {"input": "x"})
        assert state["output"] == "fine"
        assert state["report"]["usage"]["calls"] == 2


FAILING = {
    "section": lambda: create_sectioning([Section("a", "Look.")], model=MODEL),
    "synthesis": lambda: create_sectioning(
        [Section("a", run=fine)], model=MODEL, aggregate="synthesize"
    ),
    "voter": lambda: create_voting(Voter("a", "Vote."), model=MODEL),
    "response": lambda: create_guardrail(
        "Answer.", [Guard("passes", run=lambda _: False)], model=MODEL
    ),
}


class TestSecrets:
    @pytest.mark.parametrize("status", [400, 401, 500])
    @pytest.mark.parametrize("make", FAILING.values(), ids=FAILING)
    def test_no_error_shows_the_key(
        self, server: StubServer, no_waits: None, make: Any, status: int
    ) -> None:
        server.on(
            "", Reply(status=status, error=f"Refused: Incorrect API key {KEY} for Bearer {KEY}")
        )
        with pytest.raises(BranchFailedError) as caught:
            run(make(), {"input": "x"})
        shown = "".join(traceback.format_exception(caught.value))
        assert KEY not in shown + json.dumps(caught.value.report)
        assert f"status {status}" in str(caught.value)

    def test_no_error_shows_the_whole_prompt(self, server: StubServer) -> None:
        prompt = "Look for " + "very " * 200 + "bad holes."
        graph = create_sectioning([Section("a", prompt)], model=MODEL)
        with pytest.raises(BranchFailedError) as caught:  # the server quotes what it cannot answer
            run(graph, {"input": "x"})
        assert "Look for" in str(caught.value)
        assert "bad holes" not in str(caught.value) + json.dumps(caught.value.report)

    def test_an_error_of_your_own_aggregate_is_the_cause(self) -> None:
        def mistake(_: list[SectionResult]) -> str:
            raise ZeroDivisionError("my own")

        graph = create_sectioning([Section("a", run=fine)], aggregate=mistake)
        with pytest.raises(BranchFailedError) as caught:
            run(graph, {"input": "x"})
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
