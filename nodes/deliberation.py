"""What a tally may have to ask for: which ballots mean the same, and what the rule decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.types import Ballot, Decision
from langgraph_parallel.nodes.calls import consult, is_async, plain
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
    merged: dict[str, Any],
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
        merged: Which value each label stands for, from earlier rounds.
        config: For calls of a model.
        value: The input of the vote.
    """
    offers: dict[str, Any] = {"model": spec.model, "config": config, "input": value}
    merged = await _merge(spec, ballots, merged, offers)
    ballots = stand_in(ballots, merged)
    kept = counted(spec, ballots)
    missing = round_size(spec, spec.count(kept), len(kept), started)
    if missing:
        return Standing(kept, merged, None, missing)
    decision = await _decide(spec, kept, offers)
    for n in range(len(kept) + 1, len(ballots) + 1):
        if _is_open(spec, decision):
            kept = ballots[:n]
            decision = await _decide(spec, kept, offers)
    more = 1 if _is_open(spec, decision) and started < spec.calls else 0
    return Standing(kept, merged, decision, more)


def _is_open(spec: VotingSpec, decision: Decision) -> bool:
    """Say whether one more ballot is to bring a decision."""
    return not decision.decided and (decision.one_more or spec.on_undecided == "more")


async def _decide(spec: VotingSpec, ballots: Sequence[Ballot], offers: dict[str, Any]) -> Decision:
    size = None if spec.size is None else max(spec.size, len(ballots))
    decision: Decision = (
        await consult(spec.decide, ballots, size, **offers)
        if is_async(spec.decide)
        else spec.decide(ballots, size)
    )
    return decision


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
    if not isinstance(made, list) or len(made) != len(standing):
        raise ValueError(
            f"The merge gave {str(made)[:60]!r} for {len(standing)} ballots. Have it give a list "
            "with the value that each of them stands for."
        )
    stands_for = dict(zip(standing, made, strict=True))
    return {name: stands_for[label(value)] for name, value in {**merged, **new}.items()}
