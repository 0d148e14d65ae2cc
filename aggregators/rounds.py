"""Rounds: how many calls can start together.

`need` derives from a stop itself how many calls a round can start without ever starting one that
asking one by one would not have started: so a stop of your own gets lossless rounds for free.
"""

from collections.abc import Mapping

from langgraph_parallel.aggregators.types import Stop

_NEW = "\0new"  # a label that no ballot has


def any_order(stop: Stop) -> bool:
    """Say whether a stop holds for ballots in any order, not only from the first index on.

    `settled` does: it can end calls in flight as soon as enough ballots are in, whichever. The
    others look at the ballots that are there up to a certain index.
    A stop of your own says so by an attribute `any_order = True`.

    Example:
        >>> from langgraph_parallel import ahead_by, settled
        >>> any_order(settled()), any_order(ahead_by(3))
        (True, False)
    """
    return bool(getattr(stop, "any_order", False))


def need(stop: Stop, counts: Mapping[str, int], n: int, cap: int) -> int:
    """Give the number of further ballots that the stop cannot do without.

    The smallest number that would stop the voting if all of them agreed, on any label, or all
    differed. A round of that many calls never starts one that asking one by one would not have
    started, if one of these is the shortest way to the stop, as it is for all stops here.

    Args:
        stop: The stop. One of your own that treats a label unlike the others names it in an
            attribute `labels`.
        counts: Votes per label so far.
        n: Readable ballots so far.
        cap: Readable ballots at which voting stops anyway.

    Returns:
        0 when voting can stop now; at most `cap - n`.

    Example:
        >>> from langgraph_parallel import ahead_by
        >>> need(ahead_by(3), {}, 0, 15), need(ahead_by(3), {"a": 2, "b": 1}, 3, 15)
        (3, 2)
    """
    if n >= cap or stop(counts, n, cap):
        return 0
    best = cap - n
    for rival in dict.fromkeys([*counts, *getattr(stop, "labels", ()), _NEW]):
        for more in range(1, best):
            if stop({**counts, rival: counts.get(rival, 0) + more}, n + more, cap):
                best = more
                break
    for more in range(1, best):
        if stop({**counts, **{f"{_NEW}{i}": 1 for i in range(more)}}, n + more, cap):
            return more
    return best
