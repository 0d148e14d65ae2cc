"""Rules for ballots that are numbers."""

import math
from collections.abc import Sequence
from statistics import fmean
from statistics import median as middle

from langgraph_parallel.aggregators.ballots import is_number
from langgraph_parallel.aggregators.types import UNDECIDED, Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError


def median() -> Rule:
    """The number in the middle; of an even count, the mean of the two in the middle.

    Ties cannot occur. Missing ballots are ignored. No ballots: undecided.

    Raises:
        TypeError: When it decides, for a ballot that is no finite number.

    Example:
        >>> median()([Ballot(1), Ballot(100, index=1), Ballot(3, index=2)]).value
        3
    """

    def rule(ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        numbers = _numbers(ballots)
        return Decision(middle(numbers)) if numbers else UNDECIDED

    rule.reads = "number"  # type: ignore[attr-defined]
    return rule


def trimmed_mean(share: float = 0.2) -> Rule:
    """The mean of what is left when a share of the numbers is cut off at either end.

    At each end `share` of the count is cut, rounded down; at least one number is left. Ties
    cannot occur. Missing ballots are ignored. No ballots: undecided.

    Args:
        share: From 0 (the plain mean) to below 0.5.

    Raises:
        SetupError: `share` is out of its range.
        TypeError: When it decides, for a ballot that is no finite number.

    Example:
        >>> trimmed_mean(0.25)([Ballot(n, index=n) for n in (0, 4, 5, 99)]).value
        4.5
    """
    if not 0 <= share < 0.5:  # noqa: PLR2004
        raise SetupError(f"trimmed_mean({share}) leaves nothing. Give a share from 0 to below 0.5.")

    def rule(ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        numbers = _numbers(ballots)
        cut = math.floor(share * len(numbers))
        return Decision(fmean(numbers[cut : len(numbers) - cut])) if numbers else UNDECIDED

    rule.reads = "number"  # type: ignore[attr-defined]
    return rule


def _numbers(ballots: Sequence[Ballot]) -> list[float]:
    """Give the numbers in ascending order."""
    for ballot in ballots:
        if not (is_number(ballot.value) and math.isfinite(ballot.value)):
            raise TypeError(
                f"The ballot {ballot.value!r:.60} is no finite number. Ask for numbers with "
                "options=float or a schema, or choose a rule for labels."
            )
    return sorted(ballot.value for ballot in ballots)
