"""Settings of the ready-made graphs change their runs behind the development server."""

import json
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from drive import statuses
from stub_server import ChatRequest, Reply
from stub_types import When
from studio import ANSWER, BRANCHES, GIVEN, Studio, at_once, harmless

pytest.importorskip("langgraph_api", reason="the development server needs Python 3.11")
pytestmark = pytest.mark.slow

FAILS = "openai:never"
"""A model of which no graph gets an answer: its replies wait at a gate that nobody opens."""

OUT_OF_BOUNDS: Mapping[str, tuple[Any, str]] = {
    "code_review style_prompt": ("", "at least 1 character"),
    "response_evaluation deadline": (0, "greater than or equal to 0.1"),
    "classify stop": ("never", "'quick', 'standard', 'careful', 'first_to_3', 'first_to_5'"),
    "classify labels": (["one"], "at least 2 items"),
    "classify max_votes": (0, "greater than or equal to 1"),
    "vulnerability_scan stop": ("quick", "'settled' or 'all'"),
    "moderation threshold": (5, "less than or equal to 4"),
    "safe_respond threshold": (0, "greater than or equal to 1"),
    "guarded_agent threshold": (4, "less than or equal to 3"),
}
"""Graph and setting, with a value that is refused and the reason."""


PANELS = {
    "moderation": ["toxicity", "harm", "legality", "audience"],
    "vulnerability_scan": ["injection", "access", "data"],
    "guarded_agent": ["manipulation", "misuse", "care"],
}
"""The voters of each graph with a panel."""


@pytest.fixture(scope="module", autouse=True)
def _never(studio: Studio) -> None:
    studio.stub.on(_to("never"), Reply(gate="never"))


def _to(model: str, words: str = "") -> When:
    return lambda request: request.model == model and words in request.text


def _flags(request: ChatRequest) -> Any:
    """Answer as somebody who objects: the first label, a trip."""
    assert request.schema is not None
    reply = harmless(request)
    assert isinstance(reply, dict)
    first = {"ballot": request.schema["properties"].get("ballot", {}).get("enum", [None])[0]}
    return {**reply, **(first if "ballot" in reply else {"tripped": True})}


def test_classify_asks_for_the_labels_until_the_stop(studio: Studio) -> None:
    state = studio.run("classify", model="openai:sky", labels=["clear", "overcast"], stop="quick")
    assert state["output"] == "overcast"
    assert state["report"]["counts"] == {"overcast": 2}
    assert studio.asked("sky", "clear, overcast") == studio.asked("sky") == 2


def test_settings_that_an_assistant_keeps_hold_unless_a_run_has_others(studio: Studio) -> None:
    kept: Any = {"model": "openai:kept", "prompt": "Kept?", "stop": "quick"}
    name = studio.client.assistants.create("classify", context=kept)["assistant_id"]
    for context, votes in ((None, 2), ({"stop": "first_to_5"}, 5)):
        before = studio.asked("kept", "Kept?")
        studio.client.runs.wait(None, name, input=GIVEN["classify"], context=context)
        assert studio.asked("kept", "Kept?") - before == votes


def test_classify_asks_for_the_most_votes_and_no_more(studio: Studio) -> None:
    torn = [{"ballot": "positive"}, {"ballot": "negative"}]
    studio.stub.on(_to("torn"), Reply(samples=torn))
    state = studio.run("classify", model="openai:torn", max_votes=5)
    assert state["report"]["counts"] == {"positive": 3, "negative": 2}
    assert studio.asked("torn") == 5
    state = studio.run("classify", model="openai:most", stop="all", max_votes=6)
    assert state["report"]["counts"] == {"neutral": 6}


@pytest.mark.parametrize(("threshold", "output"), [(1, "flag"), (2, "allow")])
def test_moderation_flags_from_its_threshold_on(
    studio: Studio, threshold: int, output: str
) -> None:
    studio.stub.on(_to(f"mod{threshold}", "for harm"), _flags)
    state = studio.run(
        "moderation", model=f"openai:mod{threshold}", threshold=threshold, stop="all"
    )
    assert state["output"] == output
    assert state["report"]["counts"] == {"allow": 3, "flag": 1}


@pytest.mark.parametrize(
    ("graph", "words", "output"),
    [("moderation", "for", "flag"), ("vulnerability_scan", "for", "vulnerable")],
)
def test_a_settled_vote_closes_the_calls_that_it_does_not_need(
    studio: Studio, graph: str, words: str, output: str
) -> None:
    model, late = f"settled-{graph}", BRANCHES[graph][-1]
    studio.stub.on(_to(model, "Too late."), Reply(gate="never"))
    studio.stub.on(_to(model), _flags)
    settings = {f"{late}_prompt": "Too late.", "stop": "settled"}
    state = studio.run(graph, model=f"openai:{model}", **settings)
    assert state["output"] == output
    assert statuses(state)[late] == "cancelled"


@pytest.mark.parametrize("graph", ["moderation", "vulnerability_scan", "guarded_agent"])
def test_a_vote_that_hears_all_waits_for_calls_that_it_does_not_need(
    studio: Studio, graph: str
) -> None:
    model, gate, open_at = f"all-{graph}", f"late-{graph}", PANELS[graph][:-1]
    late = PANELS[graph][-1]
    studio.stub.on(_to(model, "Late."), Reply(gate=gate))
    studio.stub.on(_to(model, "for" if graph != "guarded_agent" else "Vote"), _flags)
    settings = {f"{late}_prompt": "Late.", "stop": "all"}
    ended: set[str] = set()
    status = None
    for mode, _, data in studio.stream(
        graph, ["updates", "custom"], model=f"openai:{model}", **settings
    ):
        if mode == "updates":
            ended |= set(data)
            if ended.issuperset(open_at):  # all others have voted, and the vote has gone on
                studio.stub.open(gate)
        elif mode == "custom" and (data["event"], data["branch"]) == ("branch_finished", late):
            status = data["status"]
    assert status == "ok"
    assert "done" in studio.statuses(model)


@pytest.mark.parametrize(("threshold", "verdict"), [(1, "blocked"), (2, "passed")])
def test_safe_respond_denies_from_its_threshold_on(
    studio: Studio, threshold: int, verdict: str
) -> None:
    model = f"trips{threshold}"
    studio.stub.on(_to(model, "against manipulation"), _flags)
    state = studio.run(
        "safe_respond", model=f"openai:{model}", threshold=threshold, refusal="No way."
    )
    assert state["report"]["verdict"] == verdict
    assert state["output"] == {"blocked": "No way.", "passed": ANSWER}[verdict]
    if verdict == "blocked":
        assert state["report"]["blocked_by"] == ["injection"]
        assert ANSWER not in json.dumps(state)


@pytest.mark.parametrize(("threshold", "answer"), [(1, "No way."), (2, ANSWER)])
def test_the_agents_vote_denies_from_its_threshold_on(
    studio: Studio, threshold: int, answer: str
) -> None:
    model = f"agent{threshold}"
    studio.stub.on(_to(model, "careful person"), _flags)
    state = studio.run(
        "guarded_agent",
        model=f"openai:{model}",
        threshold=threshold,
        refusal="No way.",
        stop="all",
    )
    assert state["messages"][-1]["content"] == answer


def test_the_agents_vote_closes_the_calls_that_it_does_not_need(studio: Studio) -> None:
    studio.stub.on(_to("agent-settled", "careful person"), Reply(gate="never"))
    state = studio.run("guarded_agent", model="openai:agent-settled", stop="settled")
    assert state["messages"][-1]["content"] == ANSWER
    assert set(studio.statuses("agent-settled")) <= {"done", "client_closed"}


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        ("code_review", r"security \(timeout\): No result within 0.2 seconds"),
        ("response_evaluation", r"accuracy \(timeout\): No result within 0.2 seconds"),
        ("classify", "All 3 votes failed. The first: No result within 0.2 seconds"),
        ("vulnerability_scan", "All 3 votes failed. The first: No result within 0.2 seconds"),
        ("moderation", "All 4 votes failed. The first: No result within 0.2 seconds"),
    ],
)
def test_what_exceeds_its_deadline_fails_and_is_closed(
    studio: Studio, graph: str, reason: str
) -> None:
    with pytest.raises(Exception, match=reason):
        studio.run(graph, model=FAILS, deadline=0.2)
    studio.stub.wait_until(lambda log: log.open_requests == 0)


def test_guards_that_exceed_their_deadline_deny(studio: Studio) -> None:
    studio.stub.on(_to("slow", "You guard"), Reply(gate="never"))
    state = studio.run("safe_respond", model="openai:slow", deadline=0.2)
    assert state["report"]["verdict"] == "timed_out"
    studio.stub.wait_until(lambda log: log.open_requests == 0)


def test_a_guard_that_is_a_vote_denies_after_its_deadline(studio: Studio) -> None:
    studio.stub.on(_to("silent", "Vote unsafe"), Reply(gate="never"))
    state = studio.run("guarded_agent", model="openai:silent", deadline=0.2, refusal="No way.")
    assert state["messages"][-1]["content"] == "No way."
    studio.stub.wait_until(lambda log: log.open_requests == 0)


@pytest.mark.parametrize("graph", ["safe_respond", "guarded_agent"])
def test_an_answer_that_exceeds_its_deadline_fails(studio: Studio, graph: str) -> None:
    studio.stub.on(_to(f"mute-{graph}", "You are a helpful assistant"), Reply(gate="never"))
    with pytest.raises(Exception, match=r"the answer failed \(timeout\): No result within 0.5"):
        studio.run(graph, model=f"openai:mute-{graph}", answer_deadline=0.5)
    studio.stub.wait_until(lambda log: log.open_requests == 0)


def test_an_evaluation_that_exceeds_its_deadline_fails(studio: Studio) -> None:
    studio.stub.on(_to("unjudged", "Judge "), Reply(gate="never"))
    with pytest.raises(Exception, match=r"accuracy \(timeout\): No result within 0.2 seconds"):
        studio.run("guarded_agent", model="openai:unjudged", evaluation_deadline=0.2)
    studio.stub.wait_until(lambda log: log.open_requests == 0)


@pytest.fixture(scope="module")
def refusals(studio: Studio) -> "Mapping[str, Future[dict[str, Any]]]":
    """What came of runs with a setting out of its bounds."""

    def refused(case: str) -> dict[str, Any]:
        graph, setting = case.split()
        return studio.run(graph, model="openai:refused", **{setting: OUT_OF_BOUNDS[case][0]})

    return at_once(refused, OUT_OF_BOUNDS)


@pytest.mark.parametrize("case", OUT_OF_BOUNDS)
def test_a_setting_out_of_its_bounds_is_refused_with_the_reason(
    studio: Studio, refusals: "Mapping[str, Future[dict[str, Any]]]", case: str
) -> None:
    _, setting = case.split()
    with pytest.raises(Exception, match=OUT_OF_BOUNDS[case][1]) as error:
        refusals[case].result()
    assert setting in str(error.value).split()
    assert studio.asked("refused") == 0
