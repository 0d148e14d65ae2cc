"""Rules in which ballots weigh differently."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.ties import Tie, break_tie, check_tie
from langgraph_parallel.aggregators.types import UNDECIDED, Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError

By = Literal["voter", "confidence"]
"""What a ballot weighs by: the weight of its voter, or its stated confidence."""


def weighted(by: By = "voter", *, temperature: float = 1.0, tie: Tie = "first") -> Rule:
    """The label with the greatest sum of weights wins.

    By voter, a ballot weighs what its `Voter` was given. By confidence, the ballots' stated
    confidences c weigh in proportion to exp(c / temperature): a low temperature lets the most
    confident decide, a high one makes it a plurality. A ballot that states none counts as one of
    the mean confidence. Missing ballots are ignored. No ballots, or only ones of no weight:
    undecided.

    Source: confidence-informed self-consistency (Taubenfeld et al. 2025, arXiv 2502.06233).

    Args:
        by: `"voter"` or `"confidence"`.
        temperature: Above 0; only for confidence.
        tie: As in `plurality`.

    Raises:
        SetupError: An argument is out of its range.

    Example:
        >>> ballots = [Ballot("a", weight=3), Ballot("b", index=1), Ballot("b", index=2)]
        >>> weighted()(ballots).value
        'a'
    """
    if by not in get_args(By):
        raise SetupError(f"weighted({by!r}) is unknown. Allowed: {', '.join(get_args(By))}.")
    check_tie(tie)
    if not temperature > 0:
        raise SetupError(f"temperature={temperature} divides by nothing. Give a number above 0.")

    def rule(ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        ordered = sorted(ballots, key=lambda ballot: ballot.index)
        weights = (
            [ballot.weight for ballot in ordered]
            if by == "voter"
            else confidence_weights([ballot.confidence for ballot in ordered], temperature)
        )
        values = {label(ballot.value): ballot.value for ballot in reversed(ordered)}
        sums: dict[str, float] = {}
        for ballot, weight in zip(ordered, weights, strict=True):
            name = label(ballot.value)
            sums[name] = sums.get(name, 0.0) + weight
        most = max(sums.values(), default=0.0)
        if not most > 0:
            return UNDECIDED
        winners = [values[name] for name, total in sums.items() if math.isclose(total, most)]
        return break_tie(winners, tie)

    rule.reads = "weighted"  # type: ignore[attr-defined]
    rule.by = by  # type: ignore[attr-defined]
    rule.tie = tie  # type: ignore[attr-defined]
    return rule


def confidence_weights(confidences: Sequence[float | None], temperature: float) -> list[float]:
    """Turn confidences into weights that sum to 1, by a softmax.

    Example:
        >>> confidence_weights([0.9, None, 0.9], 1.0) == [1 / 3] * 3
        True
    """
    stated = [c for c in confidences if c is not None]
    mean = sum(stated) / len(stated) if stated else 0.0
    known = [mean if c is None else c for c in confidences]
    top = max(known, default=0.0)
    powers = [math.exp((c - top) / temperature) for c in known]
    return [power / sum(powers) for power in powers]
