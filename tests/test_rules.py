"""Each voting rule keeps the law of its docstring."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from langgraph_parallel.aggregators.rules import (
    all_votes,
    any_vote,
    at_least,
    majority,
    plurality,
    rule_named,
)
from langgraph_parallel.aggregators.types import Ballot, Decision, Rule
from langgraph_parallel.errors import SetupError

relaxed = settings(deadline=None, max_examples=60)  # a busy machine is no failure

RULES = {
    "plurality": plurality(),
    "plurality-undecided": plurality(tie="undecided"),
    "majority": majority(),
    "at_least_2": at_least(2, "a", "b"),
    "at_least_share": at_least(0.4, "a", "b"),
    "any": any_vote("a", "b"),
    "all": all_votes("a", "b"),
}
UNDECIDED = Decision(None, decided=False)

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
votes = st.lists(st.sampled_from("aabbc"), max_size=9)
sizes = st.none() | st.integers(0, 4)  # how many ballots are missing


def cast(values: Sequence[Any]) -> list[Ballot]:
    return [Ballot(value, index=index) for index, value in enumerate(values)]


def panel(values: Sequence[Any], missing: int | None) -> int | None:
    return None if missing is None else len(values) + missing


class TestEveryRule:
    @every_rule
    @pytest.mark.parametrize("size", [None, 0, 3])
    def test_no_ballots_give_no_decision(self, rule: Rule, size: int | None) -> None:
        assert rule([], size) == UNDECIDED

    @every_rule
    @relaxed
    @given(
        values=st.lists(st.sampled_from(["a", "a", "b", "c", "true", True, 1, 1.0]), max_size=9),
        missing=sizes,
        data=st.data(),
    )
    def test_order_of_arrival_never_changes_the_decision(
        self, rule: Rule, values: list[Any], missing: int | None, data: st.DataObject
    ) -> None:
        size = panel(values, missing)
        shuffled = data.draw(st.permutations(cast(values)))
        # `repr`, because equal decisions may differ by the type of their value: True and 1.
        assert repr(rule(cast(values), size)) == repr(rule(shuffled, size))

    @every_rule
    @relaxed
    @given(number=st.integers(2, 9), value=st.sampled_from("ab"))
    def test_unanimous_ballots_win(self, rule: Rule, number: int, value: str) -> None:
        ballots = cast([value] * number)
        assert rule(ballots) == rule(ballots, number) == Decision(value)

    @every_rule
    @relaxed
    @given(values=votes, missing=sizes, position=st.integers(0, 9))
    def test_one_more_vote_for_the_winner_never_makes_it_lose(
        self, rule: Rule, values: list[str], missing: int | None, position: int
    ) -> None:
        size = panel(values, missing)
        won = rule(cast(values), size)
        assume(won.decided)
        assume(missing is None or missing > 0)  # a panel is not larger for one more vote
        more = [*values[:position], won.value, *values[position:]]
        again = rule(cast(more), size)
        assert (again.value, again.decided) == (won.value, True)

    @every_rule
    @relaxed
    @given(values=votes)
    def test_size_of_a_complete_panel_makes_no_difference(
        self, rule: Rule, values: list[str]
    ) -> None:
        assert rule(cast(values), len(values)) == rule(cast(values))


class TestPlurality:
    @relaxed
    @given(values=votes, missing=sizes)
    def test_most_votes_win_and_the_lowest_first_index_breaks_a_tie(
        self, values: list[str], missing: int | None
    ) -> None:
        assume(values)
        counts = Counter(values)
        most = max(counts.values())
        leaders = [value for value in dict.fromkeys(values) if counts[value] == most]
        first, tied = leaders[0], tuple(leaders) if len(leaders) > 1 else ()
        size = panel(values, missing)
        assert plurality()(cast(values), size) == Decision(first, tied=tied)
        expected = Decision(None, decided=False, tied=tied) if tied else Decision(first)
        assert plurality(tie="undecided")(cast(values), size) == expected

    def test_tie_goes_to_the_lowest_index_not_to_the_first_that_arrived(self) -> None:
        arrived = [Ballot("late", index=7), Ballot("early", index=2)]
        assert plurality()(arrived) == Decision("early", tied=("early", "late"))

    def test_value_is_that_of_the_first_ballot_among_equal_ones(self) -> None:
        arrived = [Ballot({"b": 1.0, "a": 2}, index=1), Ballot({"a": 2, "b": 1}, index=0)]
        assert repr(plurality()(arrived).value) == repr({"a": 2, "b": 1})

    @pytest.mark.parametrize("tie", ["last", "", None])
    def test_unknown_tie_is_refused_with_what_is_allowed(self, tie: Any) -> None:
        with pytest.raises(SetupError, match=rf"{tie!r}.*'first', 'one_more', 'undecided'"):
            plurality(tie=tie)


class TestMajority:
    @pytest.mark.parametrize(
        ("values", "size", "expected"),
        [
            pytest.param("aab", None, Decision("a"), id="above-half"),
            pytest.param("aabb", None, Decision(None, False, ("a", "b")), id="tie"),
            pytest.param("aabc", None, UNDECIDED, id="exactly-half"),
            pytest.param("aabcd", None, UNDECIDED, id="most-but-below-half"),
            pytest.param("aa", 4, UNDECIDED, id="missing-ballots-are-not-given-to-anybody"),
            pytest.param("aaa", 5, Decision("a"), id="above-half-of-the-panel"),
            pytest.param("a", 1, Decision("a"), id="panel-of-one"),
        ],
    )
    def test_more_than_half_of_the_panel_wins(
        self, values: str, size: int | None, expected: Decision
    ) -> None:
        assert majority()(cast(values), size) == expected

    @relaxed
    @given(values=votes, missing=sizes)
    def test_there_is_a_winner_exactly_when_one_label_outweighs_all_the_rest(
        self, values: list[str], missing: int | None
    ) -> None:
        size = panel(values, missing) or len(values)
        winners = [v for v in set(values) if values.count(v) > size - values.count(v)]
        decision = majority()(cast(values), panel(values, missing))
        assert ([decision.value] if decision.decided else []) == winners


class TestAtLeast:
    @relaxed
    @given(
        flags=st.integers(0, 5),
        others=st.integers(0, 5),
        missing=st.integers(0, 5),
        k=st.integers(1, 6) | st.sampled_from([0.2, 0.25, 1 / 3, 0.5, 2 / 3, 1.0]),
    )
    def test_it_decides_exactly_when_missing_ballots_cannot_change_the_outcome(
        self, flags: int, others: int, missing: int, k: float
    ) -> None:
        assume(flags + others)
        size = flags + others + missing
        rule = at_least(k, "flag", "fine")

        def outcome(more_flags: int, more_others: int) -> Decision:
            values = ["flag"] * (flags + more_flags) + ["fine"] * (others + more_others)
            return rule(cast(values), size)

        complete = {outcome(more, missing - more).value for more in range(missing + 1)}
        expected = Decision(*complete) if len(complete) == 1 else UNDECIDED
        assert outcome(0, 0) == expected

    @relaxed
    @given(panel_size=st.integers(1, 60), data=st.data())
    def test_share_of_a_panel_is_the_number_that_it_means(
        self, panel_size: int, data: st.DataObject
    ) -> None:
        number = data.draw(st.integers(1, panel_size))
        digits = data.draw(st.sampled_from([2, 17]))
        share = round(number / panel_size, digits)
        assume(share > 0)
        needed = number if digits == 17 else max(math.ceil(round(share * panel_size, 6)), 1)
        rule = at_least(share)
        rest = panel_size - needed
        assert rule(cast([True] * needed + [False] * rest)).value is True
        assert rule(cast([True] * (needed - 1) + [False] * (rest + 1))).value is False

    def test_share_is_not_missed_by_a_rounding_error(self) -> None:
        assert 0.28 * 25 > 7
        assert at_least(0.28)(cast([True] * 7 + [False] * 18)).value is True

    def test_tiny_share_still_needs_a_vote(self) -> None:
        assert at_least(1e-12)(cast([False])).value is False

    @relaxed
    @given(values=votes, missing=sizes, k=st.integers(1, 5))
    def test_it_never_ties(self, values: list[str], missing: int | None, k: int) -> None:
        assert at_least(k, "a", "b")(cast(values), panel(values, missing)).tied == ()

    def test_labels_other_than_the_flag_do_not_flag(self) -> None:
        assert at_least(2, "bad", "fine")(cast(["bad", "unsure", "odd"])) == Decision("fine")

    def test_sampled_ballots_count_among_themselves_only(self) -> None:
        half = at_least(0.5, "bad", "fine")
        assert half(cast(["bad", "fine"])) == Decision("bad")
        assert half(cast(["bad", "fine"]), 4) == UNDECIDED

    def test_flag_is_found_by_label(self) -> None:
        rule = at_least(1, {"a": 1, "b": 2})
        assert rule(cast([{"b": 2, "a": 1.0}])) == Decision({"a": 1, "b": 2})
        assert at_least(1, flag=True)(cast([1])) == Decision(False)

    @pytest.mark.parametrize(
        "k", [0, -1, True, False, 0.0, -0.5, 1.5, 2.0, math.nan, math.inf, "2", None], ids=repr
    )
    def test_threshold_that_means_nothing_is_refused_with_what_is_allowed(self, k: Any) -> None:
        with pytest.raises(SetupError) as caught:
            at_least(k)
        for part in (f"at_least({k!r})", "from 1 up (int)", "above 0 and up to 1.0 (float)"):
            assert part in str(caught.value)

    @pytest.mark.parametrize(
        ("short", "long"), [(any_vote, 1), (all_votes, 1.0)], ids=["any", "all"]
    )
    @relaxed
    @given(values=votes, missing=sizes)
    def test_any_and_all_are_thresholds(
        self,
        short: Callable[[str, str], Rule],
        long: float,
        values: list[str],
        missing: int | None,
    ) -> None:
        size = panel(values, missing)
        expected = at_least(long, "a", "b")(cast(values), size)
        assert short("a", "b")(cast(values), size) == expected

    def test_any_flags_on_one_ballot_of_a_panel_before_the_others_are_in(self) -> None:
        assert any_vote()(cast([True]), 9) == Decision(True)
        assert any_vote()(cast([False]), 9) == UNDECIDED

    def test_all_passes_on_one_ballot_of_a_panel_before_the_others_are_in(self) -> None:
        assert all_votes()(cast([False]), 9) == Decision(False)
        assert all_votes()(cast([True]), 9) == UNDECIDED


class TestRuleNamed:
    @pytest.mark.parametrize(
        ("name", "rule"),
        [
            pytest.param("plurality", plurality(), id="plurality"),
            pytest.param("majority", majority(), id="majority"),
            pytest.param("any", any_vote("a", "b"), id="any"),
            pytest.param("all", all_votes("a", "b"), id="all"),
            pytest.param("at_least_1", at_least(1, "a", "b"), id="at_least_1"),
            pytest.param("at_least_3", at_least(3, "a", "b"), id="at_least_3"),
        ],
    )
    def test_name_gives_the_rule_and_the_first_option_flags(self, name: str, rule: Rule) -> None:
        named = rule_named(name, ["a", "b"])
        for number in range(1, 6):
            for values in combinations_with_replacement("ab", number):
                for size in (None, number, 5):
                    ballots = cast(values)
                    assert named(ballots, size) == rule(ballots, size)

    @pytest.mark.parametrize("name", ["any", "all", "at_least_1"])
    def test_flagging_rule_without_options_is_over_true_and_false(self, name: str) -> None:
        rule = rule_named(name)
        assert rule(cast([True])).value is True
        assert rule(cast([False])).value is False
        assert rule(cast([True, False])).value is (name != "all")

    @pytest.mark.parametrize(
        "name", ["most", "", "at_least", "at_least_", "at_least_-1", "at_least_2.5", "ANY", "any_2"]
    )
    def test_unknown_name_is_refused_with_what_is_allowed(self, name: str) -> None:
        with pytest.raises(SetupError) as caught:
            rule_named(name)
        for part in (repr(name), "'plurality'", "'majority'", "'any'", "'all'", "'at_least_2'"):
            assert part in str(caught.value)

    def test_threshold_of_nobody_is_refused(self) -> None:
        with pytest.raises(SetupError, match=r"at_least\(0\)"):
            rule_named("at_least_0", ["a", "b"])

    @pytest.mark.parametrize("name", ["any", "all", "at_least_2"])
    @pytest.mark.parametrize("options", [["a"], ["a", "b", "c"]], ids=["one", "three"])
    def test_flagging_rule_on_other_than_two_options_is_refused(
        self, name: str, options: list[str]
    ) -> None:
        with pytest.raises(SetupError) as caught:
            rule_named(name, options)
        for part in (repr(name), str(len(options)), str(options), "at_least(2, 'unsafe', 'safe')"):
            assert part in str(caught.value)
