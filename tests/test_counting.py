"""Ballots are counted by label, and the counts say how far a vote is decided."""

import json
from fractions import Fraction
from math import comb
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langgraph_parallel.aggregators.counting import count, label, lead, posterior
from langgraph_parallel.aggregators.types import Ballot

relaxed = settings(deadline=None)  # a busy machine is no failure

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
json_data: st.SearchStrategy[Any] = st.recursive(
    scalars | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=8,
)
ballot_lists = st.lists(st.sampled_from(["a", "b", "c", True, 3]), max_size=12).flatmap(
    lambda values: st.permutations([Ballot(v, index=i) for i, v in enumerate(values)])
)


def are_same(left: Any, right: Any) -> bool:
    """Compare JSON data as JSON does: numbers by their value, but `true` is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(are_same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(are_same, left, right))
    return bool(left == right)


def reverse_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reverse_keys(value[key]) for key in reversed(value)}
    return [reverse_keys(part) for part in value] if isinstance(value, list) else value


class TestLabel:
    @relaxed
    @given(st.text())
    def test_text_is_its_own_label(self, text: str) -> None:
        assert label(text) == text

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            pytest.param(True, "true", id="bool"),
            pytest.param(None, "null", id="none"),
            pytest.param(5, "5", id="int"),
            pytest.param(5.0, "5", id="whole-float"),
            pytest.param(-0.0, "0", id="negative-zero"),
            pytest.param(2.5, "2.5", id="float"),
            pytest.param(
                {"b": [1.0, "ä"], "a": {"d": 1, "c": 2}},
                '{"a": {"c": 2, "d": 1}, "b": [1, "ä"]}',
                id="nested",
            ),
            pytest.param(["a", "b"], '["a", "b"]', id="ranking"),
        ],
    )
    def test_data_is_labelled_by_its_json_with_sorted_keys(self, value: Any, expected: str) -> None:
        assert label(value) == expected

    @relaxed
    @given(json_data)
    def test_order_of_keys_makes_no_difference(self, value: Any) -> None:
        assert label(reverse_keys(value)) == label(value)

    @relaxed
    @given(st.lists(json_data | st.sampled_from([0, 0.0, False, 1, 1.0, True, [1], [1.0]])))
    def test_labels_are_equal_exactly_when_the_data_are(self, values: list[Any]) -> None:
        data = [value for value in values if not isinstance(value, str)]
        for left in data:
            for right in data:
                assert (label(left) == label(right)) == are_same(left, right)

    @relaxed
    @given(json_data)
    def test_label_of_data_is_readable_json_of_it(self, value: Any) -> None:
        if not isinstance(value, str):
            assert are_same(value, json.loads(label(value)))


class TestCount:
    def test_no_ballots_give_no_counts(self) -> None:
        assert count([]) == {}

    @relaxed
    @given(ballot_lists)
    def test_every_ballot_counts_once_under_its_label(self, ballots: list[Ballot]) -> None:
        values = [label(ballot.value) for ballot in ballots]
        assert count(ballots) == {value: values.count(value) for value in values}

    @relaxed
    @given(ballot_lists)
    def test_labels_stand_in_order_of_their_first_index_not_of_arrival(
        self, ballots: list[Ballot]
    ) -> None:
        firsts: dict[str, int] = {}
        for ballot in ballots:
            name = label(ballot.value)
            firsts[name] = min(firsts.get(name, ballot.index), ballot.index)
        assert list(count(ballots)) == sorted(firsts, key=lambda name: firsts[name])


class TestLead:
    @pytest.mark.parametrize(
        ("counts", "expected"),
        [
            pytest.param([], 0, id="empty"),
            pytest.param([3], 3, id="one-label"),
            pytest.param([2, 2, 1], 0, id="tie"),
            pytest.param([1, 2, 4], 2, id="first-against-second"),
        ],
    )
    def test_lead_is_over_the_second_label(self, counts: list[int], expected: int) -> None:
        assert lead(counts) == expected

    @relaxed
    @given(st.lists(st.integers(0, 20), min_size=2), st.randoms(use_true_random=False))
    def test_order_of_the_counts_makes_no_difference(self, counts: list[int], random: Any) -> None:
        shuffled = counts.copy()
        random.shuffle(shuffled)
        first = max(counts)
        counts.remove(first)
        assert lead(shuffled) == first - max(counts)


class TestPosterior:
    @relaxed
    @given(st.integers(0, 60), st.integers(0, 60))
    def test_posterior_is_the_integral_of_the_beta_density_above_one_half(
        self, first: int, second: int
    ) -> None:
        def integral(low: Fraction) -> Fraction:
            """Integrate x^first (1 - x)^second from *low* to 1."""
            powers = range(first + 1, first + second + 2)
            return sum(
                (
                    Fraction((-1) ** j * comb(second, j), power) * (1 - low**power)
                    for j, power in enumerate(powers)
                ),
                Fraction(0),
            )

        expected = integral(Fraction(1, 2)) / integral(Fraction(0))
        assert posterior(first, second) == pytest.approx(float(expected), abs=1e-14)

    @relaxed
    @given(st.integers(0, 500), st.integers(0, 500))
    def test_both_sides_of_a_vote_add_up_to_one(self, first: int, second: int) -> None:
        assert posterior(first, second) + posterior(second, first) == pytest.approx(1, abs=1e-12)

    @relaxed
    @given(st.integers(0, 20), st.integers(0, 20))
    def test_one_more_vote_for_the_first_makes_it_surer(self, first: int, second: int) -> None:
        assert posterior(first, second) < posterior(first + 1, second)

    def test_no_votes_say_nothing(self) -> None:
        assert posterior(0, 0) == 0.5

    def test_thousands_of_votes_do_not_overflow(self) -> None:
        assert posterior(5100, 4900) == pytest.approx(0.9772, abs=1e-3)
