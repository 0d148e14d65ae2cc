"""Stops end a vote when they promise to, and rounds never ask more than asking one by one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from langgraph_parallel.aggregators.counting import count, posterior
from langgraph_parallel.aggregators.presets import stop_named
from langgraph_parallel.aggregators.rounds import any_order, need
from langgraph_parallel.aggregators.rules import all_votes, any_vote, at_least, majority, plurality
from langgraph_parallel.aggregators.stops import (
    ahead_by,
    beta,
    first_to,
    fixed,
    quorum,
    settled,
    unanimous_or,
)
from langgraph_parallel.aggregators.types import Ballot, Decision, Rule, Stop
from langgraph_parallel.errors import SetupError

relaxed = settings(deadline=None)  # a busy machine is no failure

AB, ABC = ("a", "b"), ("a", "b", "c")

# A rule, and the labels that its voters choose from.
SETTLED: dict[str, tuple[Rule, Sequence[Any]]] = {
    "plurality": (plurality(), ABC),
    "plurality-undecided": (plurality(tie="undecided"), ABC),
    "majority": (majority(), ABC),
    "majority-of-two": (majority(), AB),
    "at_least_2": (at_least(2, *AB), AB),
    "at_least_3": (at_least(3, *AB), AB),
    "at_least_0.4": (at_least(0.4, *AB), AB),
    "at_least_0.5": (at_least(0.5, *AB), AB),
    "any": (any_vote(*AB), AB),
    "any-with-other-labels": (any_vote(*AB), ABC),
    "all": (all_votes(*AB), AB),
    "any-bool": (any_vote(), (True, False)),
    "all-bool": (all_votes(), (True, False)),
}
every_rule = pytest.mark.parametrize(("rule", "labels"), SETTLED.values(), ids=SETTLED)
with_options = pytest.mark.parametrize("closed", [True, False], ids=["options", "free"])
of_panel = pytest.mark.parametrize("is_panel", [True, False], ids=["panel", "sampled"])


def known(values: Sequence[Any], indices: Sequence[int] | None = None) -> list[Ballot]:
    """Give the readable ballots of *values*, those of *indices* if not all are in."""
    indices = range(len(values)) if indices is None else sorted(indices)
    return [Ballot(values[index], index=index) for index in indices if values[index] is not None]


def one_by_one(stop: Stop, values: Sequence[Any], cap: int) -> int:
    """Give how many calls are made when each is awaited before the next."""
    for calls in range(len(values)):
        ballots = known(values[:calls])
        if len(ballots) >= cap or stop(count(ballots), len(ballots), cap):
            return calls
    return len(values)


def in_rounds(stop: Stop, values: Sequence[Any], cap: int) -> int:
    """Give how many calls are made in rounds of `need`."""
    calls = 0
    while calls < len(values):
        ballots = known(values[:calls])
        more = need(stop, count(ballots), len(ballots), cap)
        if more == 0:
            break
        calls = min(calls + more, len(values))
    return calls


def veto(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
    """Decide by a label that outweighs all others, as a rule of one's own."""
    return Decision("stop" if any(ballot.value == "stop" for ballot in ballots) else "go")


class TestFixed:
    @relaxed
    @given(votes=st.integers(1, 9), n=st.integers(0, 12))
    def test_it_stops_at_this_many_ballots_whatever_they_say(self, votes: int, n: int) -> None:
        assert fixed(votes)({"a": n}, n, 15) == (n >= votes)
        assert fixed(votes)({"a": n // 2, "b": n - n // 2}, n, 15) == (n >= votes)

    @pytest.mark.parametrize("votes", [0, -1])
    def test_asking_nobody_is_refused(self, votes: int) -> None:
        with pytest.raises(SetupError, match=rf"fixed\({votes}\).*from 1 up"):
            fixed(votes)


class TestAheadBy:
    @relaxed
    @given(k=st.integers(1, 5), values=st.lists(st.sampled_from("abc"), max_size=12))
    def test_it_stops_when_the_first_is_k_ahead_of_the_second(
        self, k: int, values: list[str]
    ) -> None:
        votes = [*sorted(Counter(values).values(), reverse=True), 0, 0]
        is_ahead = votes[0] - votes[1] >= k
        assert ahead_by(k)(count(known(values)), len(values), 15) == is_ahead

    @pytest.mark.parametrize("k", [0, -3])
    def test_lead_of_nothing_is_refused(self, k: int) -> None:
        with pytest.raises(SetupError, match=rf"ahead_by\({k}\).*from 1 up"):
            ahead_by(k)


class TestFirstTo:
    @relaxed
    @given(k=st.integers(1, 5), values=st.lists(st.sampled_from("abc"), max_size=12))
    def test_it_stops_when_a_label_has_k_votes(self, k: int, values: list[str]) -> None:
        has_k = any(values.count(value) >= k for value in values)
        assert first_to(k)(count(known(values)), len(values), 15) == has_k

    @pytest.mark.parametrize("k", [0, -3])
    def test_no_votes_at_all_are_refused(self, k: int) -> None:
        with pytest.raises(SetupError, match=rf"first_to\({k}\).*from 1 up"):
            first_to(k)


class TestBeta:
    @pytest.mark.parametrize("threshold", [0.5, 0.75, 0.95])
    @relaxed
    @given(a=st.integers(0, 6), b=st.integers(0, 6), c=st.integers(0, 6))
    def test_it_stops_when_the_first_label_is_that_probably_ahead_of_the_second(
        self, threshold: float, a: int, b: int, c: int
    ) -> None:
        votes = sorted([a, b, c])
        is_sure = a + b + c > 0 and posterior(votes[2], votes[1]) >= threshold
        assert beta(threshold)({"a": a, "b": b, "c": c}, a + b + c, 39) == is_sure

    @pytest.mark.parametrize("threshold", [0.0, 0.49, 1.0, 1.5])
    def test_probability_that_says_nothing_is_refused(self, threshold: float) -> None:
        with pytest.raises(SetupError, match=rf"beta\({threshold}\).*from 0.5 to below 1"):
            beta(threshold)


class TestQuorum:
    @relaxed
    @given(votes=st.integers(1, 6), n=st.integers(0, 9), says=st.booleans())
    def test_it_holds_another_stop_back(self, votes: int, n: int, says: bool) -> None:
        def then(counts: Mapping[str, int], n: int, cap: int) -> bool:
            return says

        assert quorum(votes, then)({"a": n}, n, 9) == (says and n >= votes)

    @pytest.mark.parametrize("votes", [0, -1])
    def test_quorum_of_nobody_is_refused(self, votes: int) -> None:
        with pytest.raises(SetupError, match=rf"quorum\({votes}\).*from 1 up"):
            quorum(votes, fixed(3))

    def test_it_holds_in_any_order_if_the_stop_that_it_holds_back_does(self) -> None:
        assert any_order(quorum(3, settled()))
        assert not any_order(quorum(3, ahead_by(1)))


class TestUnanimousOr:
    @pytest.mark.parametrize(
        ("counts", "expected"),
        [
            pytest.param({"a": 2}, False, id="too-few-to-agree"),
            pytest.param({"a": 3}, True, id="unanimous"),
            pytest.param({"a": 1, "b": 1}, False, id="too-few-to-escalate"),
            pytest.param({"a": 2, "b": 1}, False, id="disagreement"),
            pytest.param({"a": 3, "b": 2}, True, id="escalated-to-the-end"),
        ],
    )
    def test_it_stops_on_agreement_and_else_where_the_escalation_does(
        self, counts: dict[str, int], expected: bool
    ) -> None:
        stop = unanimous_or(fixed(5), first=3)
        assert stop(counts, sum(counts.values()), 9) == expected

    def test_escalation_waits_for_the_first_ballots(self) -> None:
        assert not unanimous_or(fixed(2), first=3)({"a": 1, "b": 1}, 2, 9)

    def test_rounds_know_the_flag_of_the_escalation(self) -> None:
        stop = unanimous_or(settled(any_vote("a", "b")))
        assert need(stop, {"b": 1, "c": 1}, 2, 5) == 1

    @pytest.mark.parametrize("first", [1, 0])
    def test_agreement_of_one_is_refused(self, first: int) -> None:
        with pytest.raises(SetupError, match=rf"first={first}.*2 or more"):
            unanimous_or(fixed(3), first=first)


class TestSettled:
    @every_rule
    @settings(relaxed, max_examples=60)
    @given(closed=st.booleans(), is_panel=st.booleans(), data=st.data())
    def test_whatever_ballots_are_in_it_gives_the_decision_of_the_full_count(
        self, rule: Rule, labels: Sequence[Any], closed: bool, is_panel: bool, data: st.DataObject
    ) -> None:
        votes = st.lists(st.sampled_from([*labels, *labels, None]), min_size=1, max_size=11)
        values = data.draw(votes)
        arrival = data.draw(st.permutations(range(len(values))))
        cap = len(values)
        size = cap if is_panel else None
        stop = settled(rule, labels if closed else (), size)
        full = rule(known(values), size)
        for arrived in range(cap):
            ballots = known(values, arrival[:arrived])
            if len(ballots) < cap and stop(count(ballots), len(ballots), cap):
                assert rule(ballots, size) == full

    @every_rule
    @with_options
    @of_panel
    @pytest.mark.parametrize("cap", [1, 2, 3, 4])
    def test_it_stops_exactly_when_one_value_wins_all_completions_without_a_tie(
        self, rule: Rule, labels: Sequence[Any], closed: bool, is_panel: bool, cap: int
    ) -> None:
        size = cap if is_panel else None
        stop = settled(rule, labels if closed else (), size)
        decisions = {
            values: rule(known(values), size) for values in product([*labels, None], repeat=cap)
        }
        for n in range(1, cap):
            for indices in combinations(range(cap), n):
                for cast in product(labels, repeat=n):
                    ballots = known(
                        [dict(zip(indices, cast, strict=True)).get(i) for i in range(cap)]
                    )
                    completions = [
                        decision
                        for values, decision in decisions.items()
                        if tuple(values[i] for i in indices) == cast
                    ]
                    assert stop(count(ballots), n, cap) == is_won(completions)

    @every_rule
    @with_options
    def test_it_stops_at_the_cap_even_without_a_decision(
        self, rule: Rule, labels: Sequence[Any], closed: bool
    ) -> None:
        stop = settled(rule, labels if closed else ())
        assert stop({"a": 1, "b": 1}, 2, 2)

    def test_tie_that_may_come_keeps_the_vote_open(self) -> None:
        counts = {"a": 2, "b": 1}
        assert not settled()(counts, 3, 4)
        assert settled()({"a": 3, "b": 1}, 4, 5)

    def test_label_that_nobody_has_named_yet_may_still_win(self) -> None:
        assert not settled()({"a": 2}, 2, 4)
        assert settled()({"a": 3}, 3, 5)

    def test_flag_that_nobody_has_raised_yet_may_still_be_raised(self) -> None:
        assert not settled(any_vote("unsafe", "safe"))({"safe": 4}, 4, 5)

    def test_options_that_python_takes_for_equal_are_different_votes(self) -> None:
        assert not settled(plurality(), [1, True])({"1": 1}, 1, 4)

    def test_rule_of_ones_own_names_the_label_that_it_treats_unlike_the_others(self) -> None:
        def named(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
            return veto(ballots, size)

        named.labels = ["stop"]  # type: ignore[attr-defined]
        assert not settled(named)({"go": 1}, 1, 3)
        assert not settled(veto, ["go", "stop"])({"go": 1}, 1, 3)
        assert settled(named)({"go": 1, "stop": 1}, 2, 3)

    def test_rule_gets_the_options_themselves_not_their_labels(self) -> None:
        def greatest(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
            return Decision(max(10 * ballot.value for ballot in ballots))

        stop = settled(greatest, [1, 2, 3])
        assert stop({"1": 1, "3": 1}, 2, 5)
        assert not stop({"1": 1, "2": 1}, 2, 5)

    @pytest.mark.parametrize(
        "counts",
        [{"a": 2, "b": 2, "c": 2}, {"a": 3, "b": 1, "c": 1, "d": 1, "e": 1}],
        ids=["tie", "no-tie"],
    )
    def test_without_a_decision_in_sight_it_goes_on(self, counts: dict[str, int]) -> None:
        cap = sum(counts.values()) + 1
        assert not settled(majority(), size=cap)(counts, cap - 1, cap)


def is_won(completions: Sequence[Decision]) -> bool:
    first = completions[0]
    return all(
        decision.decided and not decision.tied and decision == first for decision in completions
    )


@st.composite
def stops(draw: st.DrawFn) -> tuple[Stop, Sequence[Any], int]:
    """Draw a stop, what its voters choose from, and a cap."""
    cap = draw(st.integers(1, 12))
    rule, labels = draw(st.sampled_from(list(SETTLED.values())))
    options = labels if draw(st.booleans()) else ()
    stop: Stop = draw(
        st.one_of(
            st.builds(fixed, st.integers(1, 14)),
            st.builds(ahead_by, st.integers(1, 6)),
            st.builds(first_to, st.integers(1, 6)),
            st.builds(beta, st.sampled_from([0.5, 0.7, 0.9, 0.95])),
            st.builds(settled, st.just(rule), st.just(options), st.sampled_from([None, cap])),
        )
    )
    if draw(st.booleans()):
        stop = quorum(draw(st.integers(1, 6)), stop)
    elif draw(st.booleans()):
        stop = unanimous_or(stop, first=draw(st.integers(2, 5)))
    return stop, labels, cap


class TestNeed:
    @settings(relaxed, max_examples=300)
    @given(drawn=stops(), data=st.data())
    def test_rounds_make_the_very_calls_of_asking_one_by_one(
        self, drawn: tuple[Stop, Sequence[Any], int], data: st.DataObject
    ) -> None:
        stop, labels, cap = drawn
        votes = st.sampled_from([*labels, *labels, labels[0], None])
        values = data.draw(st.lists(votes, min_size=2 * cap, max_size=2 * cap))
        # The same calls are the same ballots, and so the same decision.
        assert in_rounds(stop, values, cap) == one_by_one(stop, values, cap)

    @settings(relaxed, max_examples=300)
    @given(drawn=stops(), data=st.data())
    def test_it_is_the_shortest_way_to_the_stop_on_which_all_agree(
        self, drawn: tuple[Stop, Sequence[Any], int], data: st.DataObject
    ) -> None:
        stop, labels, cap = drawn
        values = data.draw(st.lists(st.sampled_from(labels), max_size=cap))
        n = len(values)
        ways = [
            more
            for more in range(cap - n + 1)
            for value in [*labels, "a label that nobody has named"]
            if n + more >= cap or stop(count(known([*values, *[value] * more])), n + more, cap)
        ]
        assert need(stop, count(known(values)), n, cap) == min(ways)

    @relaxed
    @given(drawn=stops(), data=st.data())
    def test_it_is_nothing_exactly_when_voting_is_over_and_never_passes_the_cap(
        self, drawn: tuple[Stop, Sequence[Any], int], data: st.DataObject
    ) -> None:
        stop, labels, cap = drawn
        values = data.draw(st.lists(st.sampled_from(labels), max_size=cap))
        counts, n = count(known(values)), len(values)
        more = need(stop, counts, n, cap)
        assert 0 <= more <= cap - n
        assert (more == 0) == (n >= cap or stop(counts, n, cap))

    def test_at_the_cap_nothing_more_is_needed_though_the_stop_says_no(self) -> None:
        assert need(ahead_by(3), {"a": 1, "b": 1}, 2, 2) == 0
        assert need(ahead_by(3), {"a": 2, "b": 1}, 3, 2) == 0

    @pytest.mark.parametrize(
        ("stop", "expected"),
        [
            pytest.param(settled(majority(), size=5), 3, id="majority-of-a-panel"),
            pytest.param(settled(any_vote("bad", "fine"), size=5), 1, id="one-flag-settles-any"),
            pytest.param(settled(all_votes("bad", "fine"), size=5), 1, id="one-veto-settles-all"),
            pytest.param(settled(at_least(2, *AB), AB, 5), 2, id="flags-that-reach-a-threshold"),
            pytest.param(settled(), 3, id="free-answers-that-agree"),
            pytest.param(ahead_by(2), 2, id="a-lead"),
            pytest.param(fixed(9), 5, id="the-cap"),
        ],
    )
    def test_first_round_is_what_could_be_enough(self, stop: Stop, expected: int) -> None:
        assert need(stop, {}, 0, 5) == expected

    @relaxed
    @given(values=st.lists(st.sampled_from(AB), min_size=16, max_size=16))
    def test_stop_of_ones_own_has_lossless_rounds_too(self, values: list[str]) -> None:
        def first_to_three_flags(counts: Mapping[str, int], n: int, cap: int) -> bool:
            return counts.get("b", 0) >= 3

        first_to_three_flags.labels = ["b"]  # type: ignore[attr-defined]
        assert need(first_to_three_flags, {}, 0, 8) == 3
        assert in_rounds(first_to_three_flags, values, 8) == one_by_one(
            first_to_three_flags, values, 8
        )


class TestStopNamed:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            pytest.param("ahead_by_1", ahead_by(1), id="ahead_by_1"),
            pytest.param("ahead_by_3", ahead_by(3), id="ahead_by_3"),
            pytest.param("fixed_4", fixed(4), id="fixed_4"),
            pytest.param("fixed_10", fixed(10), id="fixed_10"),
            pytest.param("settled", settled(majority(), AB, 6), id="settled"),
        ],
    )
    @relaxed
    @given(a=st.integers(0, 3), b=st.integers(0, 3))
    def test_name_gives_the_stop(self, name: str, expected: Stop, a: int, b: int) -> None:
        assume(a + b)
        counts = {"a": a, "b": b}
        named = stop_named(name, majority(), AB, 6)
        assert named(counts, a + b, 6) == expected(counts, a + b, 6)

    def test_settled_by_name_goes_by_the_rule_the_options_and_the_panel(self) -> None:
        def is_settled(rule: Rule, options: Sequence[Any], size: int | None) -> bool:
            return stop_named("settled", rule, options, size)({"a": 3}, 3, 5)

        assert is_settled(any_vote(*AB), AB, 5)
        assert not is_settled(any_vote("b", "a"), AB, 5)
        assert not is_settled(veto, ["a", "stop"], 5)
        assert is_settled(veto, AB, 5)
        assert not is_settled(majority(), AB, 6)

    @pytest.mark.parametrize(
        "name", ["", "never", "ahead_by", "ahead_by_", "ahead_by_-1", "fixed_2.5", "fixed_x", "_3"]
    )
    def test_unknown_name_is_refused_with_what_is_allowed(self, name: str) -> None:
        with pytest.raises(SetupError) as caught:
            stop_named(name, plurality())
        for part in (repr(name), "'settled'", "'ahead_by_3'", "'fixed_5'", "(counts, n, cap)"):
            assert part in str(caught.value)

    @pytest.mark.parametrize("name", ["fixed_0", "ahead_by_0"])
    def test_number_out_of_range_is_refused(self, name: str) -> None:
        with pytest.raises(SetupError, match="from 1 up"):
            stop_named(name, plurality())


class TestAnyOrder:
    @pytest.mark.parametrize(
        ("stop", "expected"),
        [
            pytest.param(settled(), True, id="settled"),
            pytest.param(settled(majority(), AB, 3), True, id="settled-of-a-panel"),
            pytest.param(ahead_by(3), False, id="ahead_by"),
            pytest.param(fixed(3), False, id="fixed"),
        ],
    )
    def test_only_settled_holds_for_ballots_in_any_order(self, stop: Stop, expected: bool) -> None:
        assert any_order(stop) is expected

    def test_stop_of_ones_own_says_so_itself(self) -> None:
        def make() -> Callable[[Mapping[str, int], int, int], bool]:
            def quorum(counts: Mapping[str, int], n: int, cap: int) -> bool:
                return n > cap // 2

            return quorum

        silent, outspoken = make(), make()
        outspoken.any_order = True  # type: ignore[attr-defined]
        assert (any_order(silent), any_order(outspoken)) == (False, True)
