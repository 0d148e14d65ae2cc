"""What to warn of when a voting graph is built."""

import warnings
from collections.abc import Iterator
from inspect import currentframe

from langchain_core.language_models import BaseChatModel

from langgraph_parallel.aggregators.rounds import any_order, need
from langgraph_parallel.aggregators.rules import is_own, reads
from langgraph_parallel.aggregators.types import Ballot
from langgraph_parallel.errors import SetupWarning
from langgraph_parallel.nodes.voting_spec import VotingSpec


def warn(spec: VotingSpec) -> None:
    """Warn of everything in the options that is hardly meant, where the user's code builds."""
    level, frame = 1, currentframe()
    while frame and str(frame.f_globals.get("__name__")).startswith("langgraph_parallel."):
        level, frame = level + 1, frame.f_back
    for text in advice(spec):
        warnings.warn(text, SetupWarning, stacklevel=level)


def advice(spec: VotingSpec) -> list[str]:
    """Say what is hardly meant in the options of a vote.

    Example:
        >>> from langgraph_parallel import Voter
        >>> (text,) = advice(VotingSpec([Voter("v", "Safe?")], stop="fixed_20"))
        >>> text.split(":")[0]
        "max_votes=15 never lets the stop 'fixed_20' finish"
    """
    return [*_ties(spec), *_weights(spec), *_caps(spec), *_undecided(spec), *_repeats(spec)]


def _ties(spec: VotingSpec) -> Iterator[str]:
    """Warn of an even fixed number of votes on a two-way question."""
    fixed = getattr(spec.enough, "votes", None)
    if fixed is None and not any_order(spec.enough):
        return
    votes = spec.votes if fixed is None else min(fixed, spec.votes)
    is_two_way = spec.labels is not None and len(spec.labels) == 2  # noqa: PLR2004
    tie = getattr(spec.decide, "tie", None)
    if reads(spec.decide) == "weighted" and not _weighs_alike(spec):
        return
    is_unhandled = spec.on_undecided == "raise" and spec.default is None
    if is_two_way and votes % 2 == 0 and (tie == "first" or (tie == "undecided" and is_unhandled)):
        yield (
            f"{votes} votes on a question with two options can tie. Ask an odd number, such as "
            f"{votes + 1}, or say what a tie gives, as in rule=plurality(tie='one_more')."
        )


def _weighs_alike(spec: VotingSpec) -> bool:
    weights = {voter.weight for voter in spec.electors}
    return getattr(spec.decide, "by", "") == "voter" and len(weights) == 1


def _weights(spec: VotingSpec) -> Iterator[str]:
    """Warn of a voter that outweighs all others together."""
    if reads(spec.decide) != "weighted" or getattr(spec.decide, "by", "") != "voter":
        return
    heaviest = max(spec.electors, key=lambda voter: voter.weight)
    others = sum(voter.weight for voter in spec.electors) - heaviest.weight
    if spec.is_panel and heaviest.weight > others:
        yield (
            f"Voter {heaviest.name!r} with weight {heaviest.weight:g} decides alone: all others "
            f"together weigh {others:g}. Give it {others:g} or less, or leave the others out."
        )


def _caps(spec: VotingSpec) -> Iterator[str]:
    """Warn of a stop that asks for more votes than there can be, and of voters never asked."""
    if spec.votes < len(spec.electors):
        idle = [voter.name for voter in spec.electors[spec.votes :]]
        yield (
            f"max_votes={spec.votes} leaves the voters {idle} to stand in for others: a panel of "
            f"{len(spec.electors)} is asked in turn. Raise it, or leave them out."
        )
    names = ["unanimous", *getattr(spec.enough, "labels", ())]
    ends = [{name: spec.votes} for name in names] + [{f"{i}": 1 for i in range(spec.votes)}]
    if not any(spec.enough(counts, spec.votes, spec.votes) for counts in ends):
        yield (
            f"max_votes={spec.votes} never lets the stop {_name(spec)} finish: {spec.votes} "
            "votes that all agree do not satisfy it, so all are always cast. Raise max_votes or "
            "ask less of the stop."
        )


def _undecided(spec: VotingSpec) -> Iterator[str]:
    """Warn of a stop that can end the vote where the rule cannot decide."""
    is_ours = hasattr(spec.decide, "tie") or hasattr(spec.decide, "labels")
    if not is_ours or any_order(spec.enough) or not spec.is_panel:
        return
    votes = need(spec.enough, {}, 0, spec.votes)
    for value in spec.labels or ["same"]:
        decision = spec.decide([Ballot(value, index=i) for i in range(votes)], spec.size)
        if not getattr(decision, "decided", True) and votes < spec.votes:
            yield (
                f"The stop {_name(spec)} can end the vote after {votes} ballots that all "
                f"say {value!r}, from which the rule makes no decision for a panel of "
                f"{spec.votes}. Use the stop 'settled', or the rule 'plurality'."
            )
            return


def _repeats(spec: VotingSpec) -> Iterator[str]:
    """Warn of voters that are asked again and cannot but say the same."""
    for voter in spec.electors:
        model = voter.model if voter.model is not None else spec.model
        is_still = isinstance(model, BaseChatModel) and getattr(model, "temperature", None) == 0
        if is_still and voter.prompt is not None and spec.votes > len(spec.electors):
            yield (
                f"Voter {voter.name!r} is asked several times at temperature 0, where all its "
                "votes would be the same. Raise the temperature, or ask once with max_votes=1."
            )


def _name(spec: VotingSpec) -> str:
    stop = spec.stop_given
    if isinstance(stop, str):
        return repr(stop)
    name = getattr(stop, "__qualname__", repr(stop))
    return name.partition(".")[0] if is_own(stop) else name
