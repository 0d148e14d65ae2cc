"""What becomes of a tie for the first place."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.types import Decision
from langgraph_parallel.errors import SetupError

TieName = Literal["first", "one_more", "undecided"]
"""What a tie gives, by name."""

Tie = TieName | Sequence[Any]
"""What a tie gives: the label whose first ballot has the lowest index, the decision of one more
ballot, no decision, or, from a list of labels, the one that the list names first (the most
cautious one)."""


def check_tie(tie: Tie) -> None:
    """Check what is to become of ties.

    Raises:
        SetupError: It is neither a known name nor a list of two or more different labels.

    Example:
        >>> check_tie("first"), check_tie(["unsafe", "safe"])
        (None, None)
    """
    if isinstance(tie, str):
        is_known = tie in get_args(TieName)
    else:
        is_list = isinstance(tie, Sequence)
        is_known = is_list and len({label(value) for value in tie}) == len(tie) > 1
    if not is_known:
        raise SetupError(
            f"Unknown tie {tie!r}. Allowed: {', '.join(map(repr, get_args(TieName)))}, or a list "
            "of different labels, the most cautious first."
        )


def break_tie(winners: Sequence[Any], tie: Tie) -> Decision:
    """Decide among the values that share the first place.

    Args:
        winners: One or more values, in order of their first ballot's index.
        tie: What to do with several. Labels that a stated order leaves out come after it, by index.

    Example:
        >>> break_tie(["safe", "unsafe"], ["unsafe", "safe"]).value
        'unsafe'
        >>> break_tie(["safe", "unsafe"], "undecided").decided
        False
    """
    if len(winners) == 1:
        return Decision(winners[0])
    tied = tuple(winners)
    if tie in ("one_more", "undecided"):
        return Decision(None, decided=False, tied=tied, one_more=tie == "one_more")
    if tie == "first":
        return Decision(winners[0], tied=tied)
    order = [label(value) for value in tie]
    ranks = [order.index(label(w)) if label(w) in order else len(order) for w in winners]
    return Decision(winners[ranks.index(min(ranks))], tied=tied)
