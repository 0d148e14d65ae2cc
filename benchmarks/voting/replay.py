"""Replaying a recorded question through the library's own functions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from langgraph_parallel.aggregators.ballots import read_ballot
from langgraph_parallel.aggregators.types import Decision
from langgraph_parallel.nodes.branch import BranchResult, Usage
from langgraph_parallel.nodes.tally import counted, readable, round_size
from langgraph_parallel.nodes.voting_spec import VotingSpec
from voting.recordings import Vote

REMEMBERED = 100_000


@dataclass(frozen=True)
class Outcome:
    """What came of one vote."""

    decision: Decision
    calls: int
    rounds: int


class Replay:
    """Votes under one specification.

    What it does after the same votes in the same order is remembered, as many questions and
    orders begin alike.
    """

    def __init__(self, spec: VotingSpec) -> None:
        self.spec = spec
        self.more = lru_cache(REMEMBERED)(self._more)
        """How many calls the next round has after these votes; 0 when voting is over."""
        self.decide = lru_cache(REMEMBERED)(self._decide)
        """What is decided on these votes."""
        self._read = lru_cache(REMEMBERED)(self._result)

    def run(self, votes: Sequence[Vote], *, one_by_one: bool = False) -> Outcome:
        """Ask until voting is over, or all recorded votes are used up.

        Args:
            votes: The votes by index.
            one_by_one: Await each call before the next, whatever the specification says.
        """
        seen: tuple[Vote, ...] = ()
        rounds = 0
        while len(seen) < len(votes) and (size := self.more(seen)):
            seen = tuple(votes[: len(seen) + (1 if one_by_one else size)])
            rounds += 1
        return Outcome(self.decide(seen), len(seen), rounds)

    def all_orders(self, votes: Sequence[Vote]) -> Iterator[tuple[float, Outcome]]:
        """Give all outcomes of asking one by one, each with its probability.

        Every order of the votes is as likely as any other. Only for few votes.
        """
        yield from self._branch((), Counter(votes), 1.0)

    def results(self, votes: Sequence[Vote]) -> list[BranchResult]:
        """Give what the voters' branches would have brought."""
        return [self._read(index, vote) for index, vote in enumerate(votes)]

    def _branch(
        self, seen: tuple[Vote, ...], left: Counter[Vote], chance: float
    ) -> Iterator[tuple[float, Outcome]]:
        total = left.total()
        if not total or not self.more(seen):
            yield chance, Outcome(self.decide(seen), len(seen), len(seen))
            return
        for vote, votes in left.items():
            if votes:
                rest = left - Counter((vote,))
                yield from self._branch((*seen, vote), rest, chance * votes / total)

    def _more(self, seen: tuple[Vote, ...]) -> int:
        ballots = counted(self.spec, readable(self.results(seen)))
        return round_size(self.spec, self.spec.count(ballots), len(ballots), len(seen))

    def _decide(self, seen: tuple[Vote, ...]) -> Decision:
        ballots = counted(self.spec, readable(self.results(seen)))
        decision: Decision = self.spec.decide(ballots, self.spec.size)
        return decision

    def _result(self, index: int, vote: Vote) -> BranchResult:
        reading = read_ballot(vote, self.spec.labels)
        scorer = getattr(self.spec.decide, "scorer", None)
        if scorer is not None:
            reading = replace(reading, score=scorer(vote))
        return BranchResult(
            index=index,
            name=self.spec.voters[index % len(self.spec.voters)].name,
            status="ok",
            output=vars(reading),
            error=None,
            model=None,
            attempts=1,
            started=0.0,
            seconds=0.0,
            usage=Usage(calls=1, input_tokens=0, output_tokens=0, partial=False),
            dispatch="replay",
        )
