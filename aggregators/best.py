"""Best of N: every ballot gets a score, and the highest wins."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_parallel.aggregators.types import UNDECIDED, Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError

REACHED, BELOW = "reached", "below"
"""What a ballot counts as where there is a threshold."""


def best_of(scorer: Any, threshold: float | None = None) -> Rule:
    """The ballot with the highest score wins; with a threshold, the first that reaches it.

    The scorer judges each ballot as soon as it is cast. A ballot whose score is no finite number,
    or whose scorer fails, is unreadable and asked for again. With a threshold
    voting stops at the first ballot, by index, that reaches it, and the stop counts the ballots as
    `reached` or `below`; if none does, the highest wins. Equal scores: the lowest index wins.
    Missing ballots are ignored. No ballots: undecided.

    Source: best-of-N with a verifier (Cobbe et al. 2021, arXiv 2110.14168).

    Args:
        scorer: A prompt for the pattern's model, which sees `{input}` and `{ballot}` and answers
            with a number; or a Runnable, or a sync or async function of the ballot, that gives a
            number. A function may ask by name for `input`, `config` and `runtime`.
        threshold: The score that is good enough.

    Raises:
        SetupError: The scorer is neither, or the threshold is no finite number.

    Example:
        >>> ballots = [Ballot("short", score=5.0), Ballot("longer", index=1, score=6.0)]
        >>> best_of(len)(ballots).value
        'longer'
    """
    is_prompt = isinstance(scorer, str) and bool(scorer.strip())
    if not (is_prompt or callable(scorer) or hasattr(scorer, "invoke")):
        raise SetupError(
            f"best_of({scorer!r}) cannot score. Give a prompt, a function of the ballot or a "
            "Runnable."
        )
    is_score = isinstance(threshold, (int, float)) and math.isfinite(threshold)
    if threshold is not None and not is_score:
        raise SetupError(f"threshold={threshold!r} is no score. Give a finite number, or None.")

    def rule(ballots: Sequence[Ballot], size: int | None = None, /) -> Decision:
        ordered = sorted(ballots, key=lambda ballot: ballot.index)
        reached = [ballot for ballot in ordered if mark(ballot) == REACHED]
        if reached:
            return Decision(reached[0].value)
        best = max(ordered, key=score_of, default=None)
        return UNDECIDED if best is None else Decision(best.value)

    def mark(ballot: Ballot) -> str:
        is_reached = threshold is not None and score_of(ballot) >= threshold
        return REACHED if is_reached else BELOW

    rule.reads = "score"  # type: ignore[attr-defined]
    rule.scorer = scorer  # type: ignore[attr-defined]
    if threshold is not None:
        rule.mark = mark  # type: ignore[attr-defined]
        rule.stop = _one_reached  # type: ignore[attr-defined]
    return rule


def score_of(ballot: Ballot) -> float:
    """Give a ballot's score; the lowest there is for one that has none."""
    return -math.inf if ballot.score is None else ballot.score


def _one_reached(counts: Mapping[str, int], n: int, cap: int, /) -> bool:
    return REACHED in counts


vars(_one_reached)["labels"] = (REACHED,)
