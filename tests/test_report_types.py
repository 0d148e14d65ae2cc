"""Reports have the shapes that the reference gives: no key more, none less."""

from collections.abc import Callable
from typing import Any

import pytest
from drive import MODEL
from pydantic import TypeAdapter, ValidationError
from stub_server import StubServer

from langgraph_parallel import (
    BranchFailedError,
    Guard,
    Section,
    Voter,
    create_guardrail,
    create_sectioning,
    create_voting,
    median,
    same_if,
)
from langgraph_parallel.nodes.report_types import GuardrailReport, SectioningReport, VotingReport

SHAPES: dict[str, Any] = {
    "sectioning": TypeAdapter(SectioningReport),
    "voting": TypeAdapter(VotingReport),
    "guardrail": TypeAdapter(GuardrailReport),
}


def check(report: Any) -> None:
    SHAPES[report["pattern"]].validate_python(report, strict=True, extra="forbid")


def fail(_: str) -> str:
    raise ValueError("no luck")


def voters(*ballots: Any) -> list[Voter]:
    return [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate(ballots)]


def with_advice() -> Any:
    panel = [*voters("yes", "yes", "no"), Voter("adviser", run=lambda _: "no", advisory=True)]
    return create_voting(panel, options=["yes", "no"], rule="plurality", stop="settled")


GRAPHS: dict[str, Callable[[], Any]] = {
    "sections": lambda: create_sectioning([Section("a", run=str), Section("b", "Look.")]),
    "a synthesis": lambda: create_sectioning([Section("a", "Look.")], aggregate="synthesize"),
    "a failed section": lambda: create_sectioning(
        [Section("a", run=str), Section("b", run=fail, required=False)]
    ),
    "votes": lambda: create_voting(Voter("v", "Vote."), options=["yes", "no"]),
    "a panel": lambda: create_voting(voters("a", "a", "b"), rule="majority"),
    "numbers": lambda: create_voting(voters(1, 2, 4.5), rule=median()),
    "advice": with_advice,
    "a judge": lambda: create_voting(
        [*voters("yes", "no", "maybe")], options=["yes", "no", "maybe"], on_undecided="judge"
    ),
    "merged": lambda: create_voting(
        voters("yes", "Yes", "no"), merge=same_if(lambda a, b: a.lower() == b.lower())
    ),
    "a passed guardrail": lambda: create_guardrail("Answer.", [Guard("g", "Judge.")]),
    "a blocked guardrail": lambda: create_guardrail(
        str, [Guard("g", run=lambda _: True), Guard("h", run=lambda _: False)]
    ),
    "a failed guard": lambda: create_guardrail(str, [Guard("g", run=fail)]),
    "a rewrite": lambda: create_guardrail(
        str,
        [Guard("g", run=str.upper, rewrites=True)],
        output_guards=[Guard("o", run=lambda _: False)],
    ),
}


@pytest.mark.parametrize("case", GRAPHS)
def test_a_report_has_the_documented_shape(
    server: StubServer, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setenv("LANGGRAPH_PARALLEL_MODEL", MODEL)
    server.on("Judge.", {"tripped": False, "reason": "fine"})
    server.on("", {"ballot": "yes", "reason": "so"})
    report = GRAPHS[case]().invoke({"input": "x"})["report"]
    check(report)
    for key in report:
        less = {other: part for other, part in report.items() if other != key}
        if key not in {"aggregate", "advice", "merged", "judged"}:
            with pytest.raises(ValidationError, match=key):
                SHAPES[report["pattern"]].validate_python(less, strict=True, extra="forbid")


def test_the_report_of_an_error_has_it_too() -> None:
    graph = create_sectioning([Section("a", run=fail), Section("b", run=str)])
    with pytest.raises(BranchFailedError) as caught:
        graph.invoke({"input": "x"})
    check(caught.value.report)


def test_an_unknown_key_is_refused() -> None:
    report = create_sectioning([Section("a", run=str)]).invoke({"input": "x"})["report"]
    for place in (report, report["branches"][0], report["usage"]):
        place["more"] = 1
        with pytest.raises(ValidationError, match="more"):
            check(report)
        del place["more"]
