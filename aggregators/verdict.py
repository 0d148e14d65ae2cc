"""The verdict of guards: a vote over trips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from langgraph_parallel.aggregators.rules import all_votes, any_vote
from langgraph_parallel.aggregators.trips import audit, half_of_the_weight
from langgraph_parallel.aggregators.types import Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError

Verdict = Literal["passed", "blocked", "failed", "timed_out"]
"""What the guards made of the input; all but `passed` deny. `failed` and `timed_out` say that
no guard had objected when one that had to speak could not."""

Finding = Literal["passed", "tripped", "failed", "timed_out"]
"""What one guard found, or how it failed to find anything."""

OnFailure = Literal["deny", "allow", "raise"]
"""What a guard that fails or exceeds its deadline counts as: a trip, a pass, or, where the verdict
hangs on it, an error of the whole run."""


@dataclass(frozen=True)
class Standing:
    """What one guard counts for."""

    weight: float = 1.0
    on_error: OnFailure | None = None
    """Instead of the policy's own."""
    on_timeout: OnFailure | None = None
    """Instead of the policy's own."""


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
    standings: Sequence[Standing] = ()
    """One per guard in configured order; without it all weigh 1."""

    def __post_init__(self) -> None:
        check_reaction("on_guard_error", self.on_error)
        check_reaction("on_guard_timeout", self.on_timeout)

    @property
    def audits(self) -> bool:
        """Whether the guards only record what they find."""
        return bool(getattr(self.rule, "audits", False))

    def trips(self, index: int, finding: Finding) -> bool:
        """Say whether the finding of a guard counts as a trip."""
        return finding == "tripped" or self._reaction(index, finding) in {"deny", "raise"}

    def raised_by(self, findings: Sequence[Finding | None]) -> int | None:
        """Give the guard whose failure is an error of the run.

        That is the first one of those whose failure is to be raised, if there is a denial, and not
        also without them.

        Args:
            findings: As in `verdict`.

        Returns:
            The guard's index, or `None`.
        """
        raising = self._raising(findings)
        if not raising or self._decision(findings) in {None, "passed"}:
            return None
        return None if self._decision(_without(findings, raising)) else raising[0]

    def verdict(self, findings: Sequence[Finding | None]) -> Verdict | None:
        """Decide as soon as no guard that is still at work can change a pass or a denial.

        Args:
            findings: One per guard in configured order; `None` where it is still at work.

        Returns:
            The verdict, or `None` while it is open. A denial names a failure that is to be raised
            (see `raised_by`), else a real trip, else the first failure in configured order, of
            what is known by then. Guards from which the rule makes no decision have `failed`.
        """
        index = self.raised_by(findings)
        if index is not None:
            return "timed_out" if findings[index] == "timed_out" else "failed"
        decision = self._decision(findings)
        if decision in {None, "passed"}:
            return decision
        return self._decision(_without(findings, self._raising(findings))) or decision

    def _decision(self, findings: Sequence[Finding | None]) -> Verdict | None:
        # All open guards pass, or all trip: for a rule in which more trips never turn a denial into
        # a pass, no mixture can do what neither can.
        lenient, strict = (self._decide(findings, is_open_trip) for is_open_trip in (False, True))
        if not (lenient.decided and strict.decided):
            return None if None in findings else "failed"
        if bool(lenient.value) != bool(strict.value):
            return None
        if not lenient.value:
            return "passed"
        denials = [f for i, f in enumerate(findings) if f is not None and self.trips(i, f)]
        if "tripped" in denials:
            return "blocked"
        return "timed_out" if denials[:1] == ["timed_out"] else "failed"

    def _decide(self, findings: Sequence[Finding | None], is_open_trip: bool) -> Decision:
        ballots = [
            Ballot(
                is_open_trip if found is None else self.trips(index, found),
                index=index,
                weight=self._standing(index).weight,
            )
            for index, found in enumerate(findings)
        ]
        return self.rule(ballots, len(findings))

    def _raising(self, findings: Sequence[Finding | None]) -> list[int]:
        return [i for i, f in enumerate(findings) if f and self._reaction(i, f) == "raise"]

    def _reaction(self, index: int, finding: Finding) -> OnFailure | None:
        standing = self._standing(index)
        if finding == "failed":
            return standing.on_error or self.on_error
        if finding == "timed_out":
            return standing.on_timeout or self.on_timeout
        return None

    def _standing(self, index: int) -> Standing:
        return self.standings[index] if self.standings else Standing()


def _without(findings: Sequence[Finding | None], left_out: Sequence[int]) -> list[Finding | None]:
    return [None if index in left_out else found for index, found in enumerate(findings)]


def check_reaction(option: str, value: str | None) -> None:
    """Check what a guard that fails is to count as.

    Args:
        option: The option's name, for the message.
        value: The option's value.

    Raises:
        SetupError: It is none of the allowed values.
    """
    if value not in get_args(OnFailure):
        raise SetupError(f"{option}={value!r} is unknown. Allowed: 'deny', 'allow' and 'raise'.")


_NAMED: dict[str, Callable[[], Rule]] = {
    "any": any_vote,
    "all": all_votes,
    "weighted": half_of_the_weight,
    "audit": audit,
}


def verdict_rule(rule: str | Rule) -> Rule:
    """Build the rule of a verdict from its name.

    Args:
        rule: `any`; `all`; `weighted`, which denies when the guards that trip have at least half of
            all weight; `audit`, which records and never denies; or a rule over ballots that are
            `True` for a trip, such as `at_least(2)` or `weight_at_least(1.5)`.

    Raises:
        SetupError: Unknown name.

    Example:
        >>> verdict_rule("all")([Ballot(True), Ballot(False, index=1)], 2).value
        False
    """
    if not isinstance(rule, str):
        return rule
    if rule not in _NAMED:
        raise SetupError(
            f"Unknown verdict rule {rule!r}. Allowed: 'any' (one trip blocks), 'all' (only if all "
            "guards trip), 'weighted' (half of the guards' weight), 'audit' (record, never block), "
            "or a rule such as at_least(2)."
        )
    return _NAMED[rule]()
