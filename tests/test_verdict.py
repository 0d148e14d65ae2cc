"""A verdict is right for every combination of findings, and given as soon as it is certain."""

from collections.abc import Sequence
from itertools import product
from typing import Any, get_args

import pytest

from langgraph_parallel.aggregators.rules import (
    all_votes,
    any_vote,
    at_least,
    majority,
    plurality,
)
from langgraph_parallel.aggregators.types import Ballot, Decision, Rule
from langgraph_parallel.aggregators.verdict import (
    Finding,
    OnFailure,
    Verdict,
    VerdictPolicy,
    verdict_rule,
)
from langgraph_parallel.errors import SetupError

FINDINGS: tuple[Finding, ...] = get_args(Finding)
SO_FAR: tuple[Finding | None, ...] = (*FINDINGS, None)
ON_FAILURE: tuple[OnFailure, ...] = get_args(OnFailure)
GUARDS = (1, 2, 3)


def most_trip(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
    """Decide on what there is, as a rule of one's own that knows nothing of a panel."""
    trips = sum(ballot.value for ballot in ballots)
    return Decision(2 * trips > len(ballots))


# A rule, and how many of one, two and three guards must trip for a denial.
RULES: dict[str, tuple[Rule, tuple[int, int, int]]] = {
    "any": (any_vote(), (1, 1, 1)),
    "all": (all_votes(), (1, 2, 3)),
    "at_least_1": (at_least(1), (1, 1, 1)),
    "at_least_2": (at_least(2), (2, 2, 2)),
    "at_least_3": (at_least(3), (3, 3, 3)),
    "at_least_0.5": (at_least(0.5), (1, 1, 2)),
    "most": (most_trip, (1, 2, 2)),
}
every_rule = pytest.mark.parametrize(("rule", "needed"), RULES.values(), ids=RULES)
every_policy = pytest.mark.parametrize(
    ("on_error", "on_timeout"),
    list(product(ON_FAILURE, repeat=2)),
    ids=[f"error-{e}-timeout-{t}" for e, t in product(ON_FAILURE, repeat=2)],
)


def expected_verdict(
    findings: Sequence[Finding], needed: int, on_error: OnFailure, on_timeout: OnFailure
) -> Verdict:
    denials = [
        finding
        for finding in findings
        if finding == "tripped"
        or (finding == "failed" and on_error == "deny")
        or (finding == "timed_out" and on_timeout == "deny")
    ]
    raised = [
        finding
        for finding in findings
        if (finding == "failed" and on_error == "raise")
        or (finding == "timed_out" and on_timeout == "raise")
    ]
    if len(denials) + len(raised) < needed:
        return "passed"
    if len(denials) < needed:
        return "failed" if raised[0] == "failed" else "timed_out"
    if "tripped" in denials:
        return "blocked"
    return "failed" if denials[0] == "failed" else "timed_out"


@every_rule
@every_policy
class TestVerdictPolicy:
    @pytest.mark.parametrize("guards", GUARDS)
    def test_verdict_of_all_findings(
        self,
        rule: Rule,
        needed: tuple[int, ...],
        on_error: OnFailure,
        on_timeout: OnFailure,
        guards: int,
    ) -> None:
        policy = VerdictPolicy(rule, on_error, on_timeout)
        for findings in product(FINDINGS, repeat=guards):
            expected = expected_verdict(findings, needed[guards - 1], on_error, on_timeout)
            assert policy.verdict(findings) == expected, findings

    @pytest.mark.parametrize("guards", GUARDS)
    def test_verdict_is_given_exactly_when_no_open_guard_can_change_a_pass_or_a_denial(
        self,
        rule: Rule,
        needed: tuple[int, ...],
        on_error: OnFailure,
        on_timeout: OnFailure,
        guards: int,
    ) -> None:
        policy = VerdictPolicy(rule, on_error, on_timeout)
        final = {f: policy.verdict(f) for f in product(FINDINGS, repeat=guards)}
        for findings in product(SO_FAR, repeat=guards):
            completions = {
                verdict
                for full, verdict in final.items()
                if all(f is None or f == g for f, g in zip(findings, full, strict=True))
            }
            verdict = policy.verdict(findings)
            if "passed" in completions and len(completions) > 1:
                assert verdict is None, findings
            elif verdict in {"passed", "blocked"}:
                assert completions == {verdict}, findings
            else:
                # No guard has objected so far; one that is open may yet, but the denial stays.
                assert verdict in completions, findings
                assert "passed" not in completions, findings


class TestDenialsStayDistinct:
    @pytest.mark.parametrize(
        ("findings", "expected"),
        [
            pytest.param(["failed", "tripped"], "blocked", id="a-trip-goes-before-a-failure"),
            pytest.param(["timed_out", "tripped"], "blocked", id="a-trip-goes-before-a-timeout"),
            pytest.param(["failed", "timed_out"], "failed", id="failure-configured-first"),
            pytest.param(["timed_out", "failed"], "timed_out", id="timeout-configured-first"),
            pytest.param(["passed", "failed"], "failed", id="failure"),
            pytest.param(["timed_out", "passed"], "timed_out", id="timeout"),
            pytest.param([None, "tripped"], "blocked", id="trip-while-another-is-at-work"),
            pytest.param([None, "failed"], "failed", id="failure-while-another-is-at-work"),
            pytest.param([None, "passed"], None, id="open"),
            pytest.param([None, None], None, id="all-open"),
        ],
    )
    def test_denial_says_what_it_rests_on(
        self, findings: list[Finding | None], expected: Verdict | None
    ) -> None:
        assert VerdictPolicy(any_vote()).verdict(findings) == expected

    def test_finding_that_is_allowed_is_no_reason_for_a_denial(self) -> None:
        policy = VerdictPolicy(any_vote(), on_error="allow")
        assert policy.verdict(["failed", "timed_out"]) == "timed_out"
        assert policy.verdict(["failed", "passed"]) == "passed"


class TestRulesThatCannotDecide:
    @pytest.mark.parametrize(
        "rule", [majority(), plurality(tie="undecided")], ids=["majority", "plurality-undecided"]
    )
    def test_guards_from_which_the_rule_makes_nothing_deny(self, rule: Rule) -> None:
        policy = VerdictPolicy(rule)
        assert policy.verdict(["tripped", "passed"]) == "failed"
        assert policy.verdict(["tripped", None]) is None
        assert policy.verdict(["tripped", "tripped"]) == "blocked"

    def test_rule_that_ignores_missing_ballots_does_not_pass_on_the_first(self) -> None:
        policy = VerdictPolicy(plurality())
        assert policy.verdict(["passed", None, None]) is None
        assert policy.verdict(["passed", "passed", None]) == "passed"

    def test_no_guards_never_pass(self) -> None:
        assert VerdictPolicy(any_vote()).verdict([]) == "failed"


class TestSetup:
    @pytest.mark.parametrize("option", ["error", "timeout"])
    @pytest.mark.parametrize("value", ["ignore", "", None, True])
    def test_unknown_reaction_is_refused_with_what_is_allowed(
        self, option: str, value: Any
    ) -> None:
        with pytest.raises(SetupError) as caught:
            VerdictPolicy(any_vote(), **{f"on_{option}": value})
        for part in (f"on_guard_{option}={value!r}", "'deny'", "'allow'", "'raise'"):
            assert part in str(caught.value)

    def test_failures_deny_unless_said_otherwise(self) -> None:
        policy = VerdictPolicy(any_vote())
        assert (policy.on_error, policy.on_timeout) == ("deny", "deny")


class TestVerdictRule:
    @pytest.mark.parametrize(("name", "needed"), [("any", 1), ("all", 3)])
    def test_name_gives_the_rule_over_trips(self, name: str, needed: int) -> None:
        for trips in product([True, False], repeat=3):
            ballots = [Ballot(is_trip, index=index) for index, is_trip in enumerate(trips)]
            decision = verdict_rule(name)(ballots, 3)
            assert decision == Decision(sum(trips) >= needed)

    def test_rule_of_ones_own_is_taken_as_it_is(self) -> None:
        assert verdict_rule(most_trip) is most_trip

    @pytest.mark.parametrize("name", ["", "some", "at_least_2", "majority"])
    def test_unknown_name_is_refused_with_what_is_allowed(self, name: str) -> None:
        with pytest.raises(SetupError) as caught:
            verdict_rule(name)
        for part in (repr(name), "'any'", "'all'", "at_least(2)"):
            assert part in str(caught.value)
