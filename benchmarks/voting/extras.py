"""Smaller questions: unreadable ballots, mixed ways of working, best of N, kinds of rounds."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from langgraph_parallel.aggregators.best import best_of
from langgraph_parallel.aggregators.stops import fixed
from langgraph_parallel.nodes.voter import Rounds
from langgraph_parallel.nodes.voting_spec import VotingSpec
from voting.frontier import ORDERS, orders, replayed
from voting.recordings import Question, Recording, checked, sampled
from voting.replay import Replay
from voting.specs import sampled_spec

ERROR = "error"
"""What stands for an unreadable ballot where it is counted as an answer."""


def unreadable() -> Iterator[tuple[str, float, float]]:
    """Compare what can be done about unreadable ballots, on votes of which half are.

    Yields:
        What is done, accuracy and mean calls: the exact means over all orders of the samples.
    """
    recording = sampled("folio", "gpt-3.5*/neurosymbolic/1shot", "formal logic, 1 shot")
    as_answers = replace(
        recording,
        options=(*recording.options, ERROR),
        questions=tuple(
            Question(question.gold, tuple(vote or ERROR for vote in question.votes))
            for question in recording.questions
        ),
    )
    for name, votes, calls in (
        ("refilled to three readable ballots", recording, recording.votes),
        ("dropped", recording, 3),
        ("counted as an answer", as_answers, 3),
    ):
        spec = replace(sampled_spec(votes, "fixed 3"), max_votes=3, max_calls=calls)
        yield name, *in_all_orders(votes, spec)


def in_all_orders(recording: Recording, spec: VotingSpec) -> tuple[float, float]:
    """Give the exact accuracy and mean calls over all orders of few samples."""
    replay = Replay(spec)
    accuracy = calls = 0.0
    for question in recording.questions:
        for chance, outcome in replay.all_orders(question.votes):
            accuracy += chance * (outcome.decision.value == question.gold)
            calls += chance * outcome.calls
    return accuracy / len(recording.questions), calls / len(recording.questions)


def mixed() -> Iterator[tuple[str, float]]:
    """Compare ten calls in one way of working with five in each of two."""
    thought = sampled("folio", "gpt-4*/cot/*", "ten with chain of thought")
    logic = sampled("folio", "gpt-4*/neurosymbolic/*", "ten with formal logic")
    shuffle = random.Random(0)  # noqa: S311
    both = Recording(
        "five of each",
        thought.options,
        ("five of each",),
        tuple(
            Question(
                ours.gold, tuple(shuffle.sample(ours.votes, 5) + shuffle.sample(theirs.votes, 5))
            )
            for _ in range(ORDERS)
            for ours, theirs in zip(thought.questions, logic.questions, strict=True)
        ),
    )
    for recording in (thought, logic, both):
        spec = replace(sampled_spec(recording, "fixed 9"), stop=fixed(10), max_votes=10)
        replay = Replay(spec)
        yield (
            recording.name,
            fmean(
                replay.run(votes).decision.value == question.gold
                for question, votes in orders(recording)
            ),
        )


def best(sizes: Sequence[int]) -> Iterator[tuple[int, float, float, float]]:
    """Sample until a checker accepts, at most N times: *best of* with a threshold.

    Yields:
        N, the share of puzzles solved, mean calls and mean rounds.
    """
    recording = checked()
    for size in sizes:
        spec = VotingSpec(
            sampled_spec(recording, "fixed 1").voters,
            options=recording.options,
            rule=best_of(_check, threshold=1.0),
            max_votes=size,
            max_calls=size,
            rounds="doubling",
        )
        replay = Replay(spec)
        outcomes = [(question, replay.run(votes)) for question, votes in orders(recording)]
        yield (
            size,
            fmean(outcome.decision.value == question.gold for question, outcome in outcomes),
            fmean(outcome.calls for _, outcome in outcomes),
            fmean(outcome.rounds for _, outcome in outcomes),
        )


def _check(vote: str) -> float:
    return 1.0 if vote == "accepted" else 0.0


def kinds_of_rounds(
    recordings: Sequence[Recording], stops: Sequence[str]
) -> Iterator[tuple[str, str, float, float]]:
    """Compare how many calls start together.

    Yields:
        The stop, the kind of rounds, mean calls and mean rounds.
    """
    kinds: dict[str, Rounds | None] = {
        "one by one": None,
        "lossless": "lossless",
        "doubling": "doubling",
        "all at once": "all_at_once",
    }
    for stop in stops:
        for name, kind in kinds.items():
            outcomes = [o for recording in recordings for o in replayed(recording, stop, kind)]
            yield (
                stop,
                name,
                fmean(outcome.calls for outcome in outcomes),
                fmean(outcome.rounds for outcome in outcomes),
            )
