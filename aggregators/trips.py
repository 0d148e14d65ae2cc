"""Rules over trips that only a verdict needs: by weight, and for the record alone."""

import math
from collections.abc import Sequence

from langgraph_parallel.aggregators.types import UNDECIDED, Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError

_ROUNDING = 1e-9  # ten weights of 0.1 are 1


def weight_at_least(k: float) -> Rule:
    """Deny when the guards that trip weigh at least k together.

    No guards: undecided.

    Args:
        k: A sum of weights, above 0.

    Raises:
        SetupError: k is not above 0.

    Example:
        >>> ballots = [Ballot(True, weight=0.4), Ballot(True, index=1, weight=0.6)]
        >>> weight_at_least(1)(ballots).value, weight_at_least(2)(ballots).value
        (True, False)
    """
    if not (k > 0 and math.isfinite(k)):
        raise SetupError(f"weight_at_least({k!r}) means nothing. Give a sum of weights above 0.")

    def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
        return Decision(_weight_of_trips(ballots) >= k - _ROUNDING) if ballots else UNDECIDED

    rule.needs_weight = k  # type: ignore[attr-defined]
    return rule


def half_of_the_weight() -> Rule:
    """Deny when the guards that trip have at least half of all weight.

    Only guards without weight: undecided.

    Example:
        >>> half_of_the_weight()([Ballot(True), Ballot(False, index=1, weight=2)]).value
        False
    """

    def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
        half = sum(ballot.weight for ballot in ballots) / 2
        return Decision(_weight_of_trips(ballots) >= half - _ROUNDING) if half else UNDECIDED

    return rule


def audit() -> Rule:
    """Never deny: what the guards find is for the record alone.

    Example:
        >>> audit()([Ballot(True)]).value
        False
    """

    def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
        return Decision(value=False)

    rule.audits = True  # type: ignore[attr-defined]
    return rule


def _weight_of_trips(ballots: Sequence[Ballot]) -> float:
    return sum(ballot.weight for ballot in ballots if ballot.value)
