"""What each stop costs and what it gets right, against counting all samples."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from langgraph_parallel.nodes.voter import Rounds
from voting.recordings import Question, Recording, Vote, sampled
from voting.replay import Outcome, Replay
from voting.specs import ALL, sampled_spec

ORDERS = 10
"""Over how many orders of the samples is averaged."""

METHODS = {
    "baseline": "answer at once",
    "cot": "chain of thought",
    "scratchpad": "scratchpad",
    "neurosymbolic": "formal logic",
}
"""How the models of LINC were asked to work."""


@dataclass(frozen=True)
class Row:
    """One stop on one data set, averaged over orders; on several, averaged over these too."""

    stop: str
    calls: float
    rounds: float
    scores: Sequence[float]
    """How often each question was answered right."""
    changes: Sequence[float]
    """The same, less how often all samples do."""
    same: float
    """How often the decision is that of all samples."""

    @property
    def accuracy(self) -> float:
        """Mean over the questions."""
        return fmean(self.scores)

    @property
    def change(self) -> float:
        """Accuracy against that of all samples."""
        return fmean(self.changes)

    @property
    def error(self) -> float:
        """Standard error of the change, from how it differs between questions."""
        return float(stdev(self.changes) / len(self.changes) ** 0.5)


def four() -> list[Recording]:
    """Give GPT-3.5 on FOLIO in each of its four ways of working: 40 samples with 1 to 8 shots."""
    return [sampled("folio", f"gpt-3.5*/{key}/*", name) for key, name in METHODS.items()]


def others() -> list[Recording]:
    """Give the other pools of 40: a weak model by way of working, and ways of working mixed."""
    weak = [
        sampled("folio", f"starcoderplus/{key}/*", f"FOLIO, StarCoderPlus, {name}")
        for key, name in METHODS.items()
    ]
    return [
        *weak,
        sampled("folio", "gpt-4*", "FOLIO, GPT-4, all four mixed"),
        sampled("proofwriter", "gpt-3.5*", "ProofWriter, GPT-3.5, all four mixed"),
        sampled("proofwriter", "starcoderplus/*", "ProofWriter, StarCoderPlus, all four mixed"),
    ]


def orders(recording: Recording) -> Iterator[tuple[Question, Sequence[Vote]]]:
    """Give each question's votes in `ORDERS` shuffled orders: the same ones for every stop."""
    for number, question in enumerate(recording.questions):
        shuffle = random.Random(number)  # noqa: S311
        for _ in range(ORDERS):
            yield question, shuffle.sample(question.votes, len(question.votes))


def replayed(recording: Recording, stop: str, rounds: Rounds | None = "lossless") -> list[Outcome]:
    """Replay every question in every order.

    Args:
        recording: A pool of samples.
        stop: The name of a stop.
        rounds: How many calls start together; `None` for one by one.
    """
    replay = Replay(sampled_spec(recording, stop, rounds or "lossless"))
    return [replay.run(votes, one_by_one=rounds is None) for _, votes in orders(recording)]


def measure(recording: Recording, stops: Sequence[str]) -> list[Row]:
    """Measure stops on one data set."""
    everything = replayed(recording, ALL)
    baseline = _scores(recording, everything)
    rows = []
    for stop in stops:
        outcomes = replayed(recording, stop)
        scores = _scores(recording, outcomes)
        rows.append(
            Row(
                stop,
                calls=fmean(outcome.calls for outcome in outcomes),
                rounds=fmean(outcome.rounds for outcome in outcomes),
                scores=scores,
                changes=[ours - whole for ours, whole in zip(scores, baseline, strict=True)],
                same=fmean(
                    ours.decision.value == whole.decision.value
                    for ours, whole in zip(outcomes, everything, strict=True)
                ),
            )
        )
    return rows


def mean(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """Average the rows of several data sets of the same questions, stop by stop."""
    return [
        Row(
            rows[0].stop,
            calls=fmean(row.calls for row in rows),
            rounds=fmean(row.rounds for row in rows),
            scores=[fmean(parts) for parts in zip(*(row.scores for row in rows), strict=True)],
            changes=[fmean(parts) for parts in zip(*(row.changes for row in rows), strict=True)],
            same=fmean(row.same for row in rows),
        )
        for rows in zip(*tables, strict=True)
    ]


def _scores(recording: Recording, outcomes: Sequence[Outcome]) -> list[float]:
    return [
        fmean(
            outcome.decision.value == question.gold
            for outcome in outcomes[number * ORDERS : (number + 1) * ORDERS]
        )
        for number, question in enumerate(recording.questions)
    ]
