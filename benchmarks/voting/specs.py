"""The voting specifications that are compared."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from langgraph_parallel.aggregators.rules import plurality, rule_named
from langgraph_parallel.aggregators.stops import (
    ahead_by,
    beta,
    first_to,
    fixed,
    settled,
    unanimous_or,
)
from langgraph_parallel.aggregators.types import Rule, Stop
from langgraph_parallel.nodes.voter import Rounds, Voter
from langgraph_parallel.nodes.voting_spec import VotingSpec
from voting.recordings import Recording

CAP = 39
"""Readable ballots at most, of a pool of 40 samples."""

ALL = f"all {CAP}"
"""The stop that the others are measured against."""

DEFAULT = "default"
"""What `create_voting` does when it is given neither a stop nor a cap."""

STOPS: Mapping[str, Callable[[], Stop]] = {
    **{f"fixed {n}": partial(fixed, n) for n in (1, 3, 5, 9, 15)},
    **{f"ahead by {k}": partial(ahead_by, k) for k in (1, 2, 3, 4, 5)},
    **{f"beta {p}": partial(beta, p) for p in (0.9, 0.95, 0.99)},
    **{f"first to {k}": partial(first_to, k) for k in (2, 3, 5, 8)},
    "unanimous 2, or fixed 5": partial(unanimous_or, fixed(5)),
    "unanimous 3, or fixed 9": partial(unanimous_or, fixed(9), first=3),
    ALL: partial(fixed, CAP),
}
"""Stops with a cap of `CAP`, but for those of `SETTLED`."""

SETTLED = {f"settled of {n}": n for n in (3, 5, 9, 15, CAP)}
"""The cap of each `settled` stop."""

FRONTIER = (*STOPS, *SETTLED, DEFAULT)
"""All stops of the frontier by name."""


def sampled_spec(recording: Recording, stop: str, rounds: Rounds = "lossless") -> VotingSpec:
    """Specify a vote of one sampled voter, decided by plurality.

    Args:
        recording: What will be replayed.
        stop: A name of `FRONTIER`.
        rounds: How many calls start together.
    """
    if stop == DEFAULT:
        return VotingSpec(_voters(recording), options=recording.options, rounds=rounds)
    return VotingSpec(
        _voters(recording),
        options=recording.options,
        stop=_stop(stop, recording.options),
        max_votes=min(SETTLED.get(stop, CAP), recording.votes),
        max_calls=recording.votes,
        rounds=rounds,
    )


def panel_spec(
    recording: Recording, rule: str, *, ask_all: bool = False, rounds: Rounds = "lossless"
) -> VotingSpec:
    """Specify a vote of a panel.

    Args:
        recording: What will be replayed.
        rule: The rule's name; the first option is the one that flags.
        ask_all: Have everybody vote, in one round; otherwise stop when it is settled.
        rounds: How many calls start together, unless all do.
    """
    decide: Rule = rule_named(rule, recording.options)
    size = len(recording.voters)
    stop = fixed(size) if ask_all else settled(decide, recording.options, size)
    return VotingSpec(
        _voters(recording),
        options=recording.options,
        rule=decide,
        stop=remember(stop),
        max_votes=size,
        max_calls=size,
        rounds="all_at_once" if ask_all else rounds,
    )


def remember(stop: Stop) -> Stop:
    """Make a stop remember what it said of which counts."""

    @cache
    def ask(counts: tuple[tuple[str, int], ...], n: int, cap: int) -> bool:
        return stop(dict(counts), n, cap)

    def remembered(counts: Mapping[str, int], n: int, cap: int, /) -> bool:
        return ask(tuple(counts.items()), n, cap)

    vars(remembered).update(vars(stop))
    return remembered


@cache
def _stop(name: str, options: tuple[str, ...]) -> Stop:
    return remember(settled(plurality(), options) if name in SETTLED else STOPS[name]())


def _voters(recording: Recording) -> list[Voter]:
    def recorded(value: Any) -> None:
        raise NotImplementedError("A recorded voter is replayed, never asked.")

    return [Voter(voter, run=recorded) for voter in recording.voters]
