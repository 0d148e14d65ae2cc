"""What a tally may have to ask for: which ballots mean the same, and what the rule decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.rules import is_own
from langgraph_parallel.aggregators.types import UNDECIDED, Ballot, Decision
from langgraph_parallel.nodes.calls import consult, is_async, plain
from langgraph_parallel.nodes.dispatch import Round
from langgraph_parallel.nodes.tally import counted, round_size, stand_in
from langgraph_parallel.nodes.voting_spec import VotingSpec


@dataclass(frozen=True)
class Standing:
    """Where a vote stands after a round."""

    ballots: list[Ballot]
    """Those that count, with the values that they stand for."""
    merged: dict[str, Any]
    """Which value each label stands for."""
    decision: Decision | None = None
    """`None` while the stop asks for more."""
    missing: int = 0
    """Calls that the next round starts; 0 when voting is over."""


async def deliberate(
    spec: VotingSpec,
    ballots: Sequence[Ballot],
    started: int,
    dispatch: Round,
    *,
    config: RunnableConfig,
    value: Any,
) -> Standing:
    """Merge and count ballots; decide, or say how many more are needed.

    Where the stop is satisfied and one more ballot is to bring a decision, the ballots after the
    stop count too, one by one.

    Args:
        spec: The options.
        ballots: The readable ones, by index.
        started: Calls so far.
        dispatch: The round, with what earlier ones found: which value each label stands for, and
            how many ballots have given no decision.
        config: For calls of a model.
        value: The input of the vote.
    """
    offers: dict[str, Any] = {"model": spec.model, "config": config, "input": value}
    merged = await _merge(spec, ballots, dispatch.get("merged") or {}, offers)
    ballots = stand_in(ballots, merged)
    if dispatch.get("more"):
        kept, decision, is_open = ballots[: dispatch.get("kept")], UNDECIDED, True
    else:
        kept = counted(spec, ballots)
        missing = round_size(spec, spec.count(kept), len(kept), started)
        if missing:
            return Standing(kept, merged, None, missing)
        decision = await _decide(spec, kept, offers)
        is_open = _is_open(spec, decision)
    while is_open and len(kept) < len(ballots):
        kept = ballots[: len(kept) + 1]
        decision = await _decide(spec, kept, offers)
        is_open = _is_open(spec, decision)
    return Standing(kept, merged, decision, 1 if is_open and started < spec.calls else 0)


def _is_open(spec: VotingSpec, decision: Decision) -> bool:
    """Say whether one more ballot is to bring a decision."""
    is_wanted = decision.one_more or spec.on_undecided == "more"
    return spec.extends and is_wanted and not decision.decided


async def _decide(spec: VotingSpec, ballots: Sequence[Ballot], offers: dict[str, Any]) -> Decision:
    size = None if spec.size is None else max(spec.size, len(ballots))
    if is_own(spec.decide) and not is_async(spec.decide):
        made = spec.decide(ballots, size)
    else:
        made = await consult(spec.decide, ballots, size, **offers)
    if not isinstance(made, Decision):
        raise TypeError(
            f"The rule gave {made!r:.60} of type {type(made).__name__}. Have it give a Decision."
        )
    return replace(made, value=plain(made.value))


async def _merge(
    spec: VotingSpec, ballots: Sequence[Ballot], merged: dict[str, Any], offers: dict[str, Any]
) -> dict[str, Any]:
    """Extend what the labels stand for; asks only if there are new ones."""
    values = {label(b.value): b.value for b in reversed(ballots)}
    new = {label(b.value): values[label(b.value)] for b in ballots if label(b.value) not in merged}
    if spec.merge is None or not new:
        return merged
    standing = {label(value): value for value in [*merged.values(), *new.values()]}
    made = plain(await consult(spec.merge, list(standing.values()), **offers))
    if not isinstance(made, list) or len(made) != len(standing) or None in made:
        raise ValueError(
            f"The merge gave {str(made)[:60]!r} for {len(standing)} ballots. Have it give a list "
            "with the value that each of them stands for."
        )
    stands_for = dict(zip(standing, made, strict=True))
    return {name: stands_for[label(value)] for name, value in {**merged, **new}.items()}
