"""On recorded votes of real models, stops and rounds keep what they promise."""

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voting import extras, frontier
from voting.recordings import Recording, Vote, checked, panel
from voting.replay import Replay
from voting.specs import FRONTIER, panel_spec, sampled_spec

from langgraph_parallel.aggregators.counting import count
from langgraph_parallel.aggregators.types import Decision
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.tally import counted, is_settled, readable, round_size
from langgraph_parallel.nodes.voter import Rounds

POOLS = {recording.name: recording for recording in [*frontier.four(), *frontier.others()]}
PANELS = ("toxicity-en", "toxicity-de", "toxicity-zh", "policy-en", "mmlupro")
EVERY_ROUNDS: Sequence[Rounds] = ("lossless", "doubling", "all_at_once")
SIZES = (2, 5, 8)
"""Of the panels: also even ones, as they can tie."""

every_panel = pytest.mark.parametrize("name", PANELS)
every_kind = pytest.mark.parametrize("rounds", EVERY_ROUNDS)


def some(recording: Recording, questions: int) -> Recording:
    """Take a few questions from all over a data set."""
    step = max(len(recording.questions) // questions, 1)
    return replace(recording, questions=recording.questions[::step][:questions])


@cache
def panels(name: str) -> list[tuple[Recording, str]]:
    """Give a data set's panels of some sizes, each with the rules that fit it."""
    whole = some(panel(name), 30)
    rules = ["plurality", "majority", *(["any", "all"] if len(whole.options) == 2 else [])]
    spread = [whole.voters[:: len(whole.voters) // size][:size] for size in SIZES]
    return [(whole.pick(voters), rule) for voters in spread for rule in rules]


@cache
def replays() -> list[tuple[Recording, Replay]]:
    """Give every data set under stops of every kind."""
    stops = ("ahead by 3", "beta 0.95", "first to 3", "unanimous 2, or fixed 5", "settled of 9")
    games = some(checked(), 20)
    sampled = [
        (some(pool, 20), sampled_spec(pool, stop, rounds))
        for pool in [*POOLS.values(), games]
        for stop in stops
        for rounds in EVERY_ROUNDS
    ]
    asked = [
        (recording, panel_spec(recording, rule, rounds=rounds))
        for name in PANELS
        for recording, rule in panels(name)
        for rounds in EVERY_ROUNDS
    ]
    return [(recording, Replay(spec)) for recording, spec in [*sampled, *asked]]


def arrived(replay: Replay, votes: Sequence[Vote], chance: random.Random) -> tuple[Decision, int]:
    """Run a vote whose calls of a round end in any order.

    Returns:
        The decision, and how many calls were ended in flight.
    """
    spec = replay.spec
    known: dict[int, BranchResult] = {}
    results: list[BranchResult] = []
    while len(results) < len(votes):
        ballots = counted(spec, readable(results))
        size = round_size(spec, count(ballots), len(ballots), len(results))
        if not size:
            break
        coming = replay.results(votes[: len(results) + size])[len(results) :]
        for result in chance.sample(coming, len(coming)):
            if is_settled(spec, known):
                break
            known[result["index"]] = result
        results += [known.get(r["index"], {**r, "status": "cancelled"}) for r in coming]
    decision: Decision = spec.decide(counted(spec, readable(results)), spec.size)
    return decision, len(results) - len(known)


class TestSettled:
    @every_kind
    @pytest.mark.parametrize("votes", [3, 5, 9, 15])
    def test_settled_of_n_decides_as_fixed_n_whatever_the_order_of_arrival(
        self, votes: int, rounds: Rounds
    ) -> None:
        chance = random.Random(votes)
        for pool in POOLS.values():
            recording = some(pool, 20)
            fixed = Replay(sampled_spec(recording, f"fixed {votes}"))
            settled = Replay(sampled_spec(recording, f"settled of {votes}", rounds))
            for question in recording.questions:
                expected = fixed.run(question.votes).decision
                assert arrived(settled, question.votes, chance)[0] == expected

    @every_panel
    @every_kind
    def test_settled_panel_decides_as_the_whole_panel_whatever_the_order_of_arrival(
        self, name: str, rounds: Rounds
    ) -> None:
        chance = random.Random(name)
        for recording, rule in panels(name):
            whole = Replay(panel_spec(recording, rule, ask_all=True))
            settled = Replay(panel_spec(recording, rule, rounds=rounds))
            for question in recording.questions:
                expected = whole.run(question.votes).decision
                assert arrived(settled, question.votes, chance)[0] == expected

    def test_calls_that_no_longer_matter_are_ended_in_flight(self) -> None:
        recording = POOLS["chain of thought"]
        replay = Replay(sampled_spec(recording, "settled of 15", "all_at_once"))
        chance = random.Random(0)
        ended = [arrived(replay, question.votes, chance)[1] for question in recording.questions]
        assert max(ended) == 7
        assert sum(ended) / len(ended) > 4


class TestLosslessRounds:
    @pytest.mark.parametrize("stop", FRONTIER)
    def test_they_decide_and_cost_the_same_as_one_vote_at_a_time(self, stop: str) -> None:
        for pool in POOLS.values():
            recording = some(pool, 6)
            replay = Replay(sampled_spec(recording, stop))
            for question in recording.questions:
                together = replay.run(question.votes)
                in_turn = replay.run(question.votes, one_by_one=True)
                assert (together.decision, together.calls) == (in_turn.decision, in_turn.calls)
                assert together.rounds <= in_turn.rounds

    @every_panel
    def test_panels_decide_and_cost_the_same_as_one_vote_at_a_time(self, name: str) -> None:
        for recording, rule in panels(name):
            replay = Replay(panel_spec(recording, rule))
            for question in recording.questions:
                together = replay.run(question.votes)
                in_turn = replay.run(question.votes, one_by_one=True)
                assert (together.decision, together.calls) == (in_turn.decision, in_turn.calls)


class TestArrival:
    @settings(deadline=None, max_examples=300)
    @given(data=st.data(), chance=st.randoms(use_true_random=False))
    def test_permutation_of_arrival_times_never_changes_a_decision(
        self, data: st.DataObject, chance: random.Random
    ) -> None:
        recording, replay = data.draw(st.sampled_from(replays()), "replay")
        question = data.draw(st.sampled_from(recording.questions), "question")
        expected = replay.run(question.votes).decision
        assert arrived(replay, question.votes, chance)[0] == expected


class TestUnreadableBallots:
    def test_refilling_beats_dropping_beats_counting_them_as_an_answer(self) -> None:
        """Half of these ballots are unreadable; the means are over all orders of the samples."""
        done = {name: (100 * accuracy, calls) for name, accuracy, calls in extras.unreadable()}
        accuracy, calls = done["refilled to three readable ballots"]
        assert accuracy == pytest.approx(56.0, abs=0.5)
        assert calls == pytest.approx(6.4, abs=0.1)
        assert done["dropped"][0] == pytest.approx(47.7, abs=0.5)
        assert done["counted as an answer"][0] == pytest.approx(33.7, abs=0.5)


class TestBestOfN:
    def test_checker_solves_what_has_a_right_sample_and_ends_the_search_there(self) -> None:
        ((_, once, *_), (_, solved, calls, _)) = extras.best((1, 100))
        assert once == pytest.approx(0.04, abs=0.01)
        assert solved == 0.49  # puzzles of which one of all 100 samples is right
        assert calls < 70
