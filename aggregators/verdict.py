"""The verdict of guards: a vote over trips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from langgraph_parallel.aggregators.rules import all_votes, any_vote
from langgraph_parallel.aggregators.types import Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError

Verdict = Literal["passed", "blocked", "failed", "timed_out"]
"""What the guards made of the input; all but `passed` deny. `failed` and `timed_out` say that
no guard had objected when one that had to speak could not."""

Finding = Literal["passed", "tripped", "failed", "timed_out"]
"""What one guard found, or how it failed to find anything."""

OnFailure = Literal["deny", "allow"]
"""What a guard that fails or exceeds its deadline counts as."""


@dataclass(frozen=True)
class VerdictPolicy:
    """How findings become a verdict.

    Example:
        >>> policy = VerdictPolicy(any_vote())
        >>> policy.verdict(["passed", None]), policy.verdict([None, "tripped"])
        (None, 'blocked')
        >>> policy.verdict(["passed", "timed_out"])
        'timed_out'
    """

    rule: Rule
    """A rule over ballots that are `True` for a trip."""

    on_error: OnFailure = "deny"
    on_timeout: OnFailure = "deny"

    def __post_init__(self) -> None:
        for option, value in (("error", self.on_error), ("timeout", self.on_timeout)):
            if value not in get_args(OnFailure):
                raise SetupError(
                    f"on_guard_{option}={value!r} is unknown. Allowed: 'deny' and 'allow'."
                )

    def trips(self, finding: Finding) -> bool:
        """Say whether a finding counts as a trip."""
        if finding == "failed":
            return self.on_error == "deny"
        if finding == "timed_out":
            return self.on_timeout == "deny"
        return finding == "tripped"

    def verdict(self, findings: Sequence[Finding | None]) -> Verdict | None:
        """Decide as soon as no guard that is still at work can change a pass or a denial.

        Args:
            findings: One per guard in configured order; `None` where it is still at work.

        Returns:
            The verdict, or `None` while it is open. A denial names a real trip first, then the
            first failure in configured order, of what is known by then. Guards from which the
            rule makes no decision have `failed`.
        """
        # All open guards pass, or all trip: for a rule in which more trips never turn a denial into
        # a pass, no mixture can do what neither can.
        lenient, strict = (self._decide(findings, is_open_trip) for is_open_trip in (False, True))
        if not (lenient.decided and strict.decided):
            return None if None in findings else "failed"
        if bool(lenient.value) != bool(strict.value):
            return None
        if not lenient.value:
            return "passed"
        denials = [f for f in findings if f is not None and self.trips(f)]
        if "tripped" in denials:
            return "blocked"
        return "timed_out" if denials[:1] == ["timed_out"] else "failed"

    def _decide(self, findings: Sequence[Finding | None], is_open_trip: bool) -> Decision:
        trips = [is_open_trip if found is None else self.trips(found) for found in findings]
        ballots = [Ballot(is_trip, index=index) for index, is_trip in enumerate(trips)]
        return self.rule(ballots, len(findings))


def verdict_rule(rule: str | Rule) -> Rule:
    """Build the rule of a verdict from its name.

    Args:
        rule: `any`, `all`, or a rule over ballots that are `True` for a trip, such as
            `at_least(2)`.

    Raises:
        SetupError: Unknown name.

    Example:
        >>> verdict_rule("all")([Ballot(True), Ballot(False, index=1)], 2).value
        False
    """
    if not isinstance(rule, str):
        return rule
    if rule not in {"any", "all"}:
        raise SetupError(
            f"Unknown verdict rule {rule!r}. Allowed: 'any' (one trip blocks), 'all' (only if all "
            "guards trip), or a rule such as at_least(2)."
        )
    return any_vote() if rule == "any" else all_votes()
