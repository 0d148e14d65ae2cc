"""Rules that read more than the counts of labels: weights, rankings, numbers."""

import random
from typing import Any

import pytest
from drive import MODEL
from hypothesis import given
from hypothesis import strategies as st
from stub_server import StubServer

from langgraph_parallel import (
    Ballot,
    SetupError,
    Voter,
    borda,
    create_voting,
    instant_runoff,
    median,
    panel_statistics,
    trimmed_mean,
    weighted,
)
from langgraph_parallel.aggregators.types import Rule
from langgraph_parallel.nodes.ballot import read_reply

RANKINGS = st.lists(st.permutations("abcd"), min_size=1, max_size=7)


def cast(*values: Any) -> list[Ballot]:
    return [Ballot(value, index=index) for index, value in enumerate(values)]


class TestAll:
    @pytest.mark.parametrize(
        "rule", [borda(), instant_runoff(), median(), trimmed_mean(), weighted()]
    )
    def test_no_ballots_give_no_decision(self, rule: Rule) -> None:
        assert not rule([]).decided

    @given(RANKINGS, st.randoms(use_true_random=False))
    def test_order_of_arrival_makes_no_difference(
        self, rankings: list[list[str]], chance: random.Random
    ) -> None:
        ballots = cast(*rankings)
        arrived = chance.sample(ballots, len(ballots))
        for rule in (borda(), instant_runoff()):
            assert rule(arrived) == rule(ballots)

    @given(st.permutations("abcd"), st.integers(1, 5))
    def test_unanimous_rankings_win(self, ranking: list[str], voters: int) -> None:
        for rule in (borda(), instant_runoff()):
            assert rule(cast(*[ranking] * voters)).value == ranking[0]

    @given(RANKINGS)
    def test_a_label_first_on_more_than_half_wins_the_runoff(self, rankings: list[Any]) -> None:
        ballots = [*rankings, *[["z", "a"]] * (len(rankings) + 1)]
        assert instant_runoff()(cast(*ballots)).value == "z"


class TestRanked:
    def test_borda_can_choose_whom_nobody_puts_first_most_often(self) -> None:
        ballots = cast(["a", "b", "c"], ["a", "b", "c"], ["b", "c", "a"], ["c", "b", "a"])
        assert borda()(ballots).value == "b"

    def test_a_tie_goes_to_the_label_that_the_first_ballot_ranks_higher(self) -> None:
        decision = borda()(cast(["b", "a"], ["a", "b"]))
        assert (decision.value, decision.tied) == ("b", ("b", "a"))

    def test_labels_left_out_share_the_remaining_points(self) -> None:
        assert borda()(cast(["a"], ["b", "c", "a"], ["b"])).value == "b"

    def test_runoff_passes_the_votes_of_the_dropped_on(self) -> None:
        assert instant_runoff()(cast("ab", "ab", "bc", "cb", "cb")).decided
        ballots = cast(["a"], ["a"], ["b", "c"], ["c", "b"], ["c", "b"])
        assert instant_runoff()(ballots).value == "c"

    def test_exhausted_ballots_no_longer_count(self) -> None:
        assert instant_runoff()(cast(["a"], ["b", "c"], ["c"], ["c"], ["b"])).value == "b"


class TestNumbers:
    def test_one_wild_number_does_not_move_the_median(self) -> None:
        assert median()(cast(4, 5, 1_000_000)).value == 5

    def test_an_even_count_gives_the_mean_of_the_middle(self) -> None:
        assert median()(cast(1, 2, 4, 9)).value == 3

    @given(st.lists(st.integers(-99, 99), min_size=1, max_size=9))
    def test_without_trimming_it_is_the_mean(self, numbers: list[int]) -> None:
        assert trimmed_mean(0)(cast(*numbers)).value == pytest.approx(sum(numbers) / len(numbers))

    @pytest.mark.parametrize("share", [-0.1, 0.5, 1])
    def test_a_share_that_leaves_nothing_is_refused(self, share: float) -> None:
        with pytest.raises(SetupError, match=r"below 0\.5"):
            trimmed_mean(share)

    @pytest.mark.parametrize("ballot", ["7", True, float("nan"), None])
    def test_what_is_no_number_is_refused(self, ballot: Any) -> None:
        with pytest.raises(TypeError, match="no finite number"):
            median()(cast(1, ballot))


class TestWeighted:
    def test_one_heavy_voter_outweighs_two(self) -> None:
        ballots = [Ballot("a", weight=3), Ballot("b", index=1), Ballot("b", index=2)]
        assert weighted()(ballots).value == "a"

    def test_equal_weights_are_a_tie_that_the_first_index_wins(self) -> None:
        decision = weighted()([Ballot("b", index=1), Ballot("a", index=0)])
        assert (decision.value, decision.tied) == ("a", ("a", "b"))

    def test_low_temperature_lets_the_confident_decide(self) -> None:
        ballots = [
            Ballot("a", confidence=0.9),
            Ballot("b", index=1, confidence=0.5),
            Ballot("b", index=2, confidence=0.5),
        ]
        assert weighted("confidence", temperature=0.1)(ballots).value == "a"
        assert weighted("confidence", temperature=10)(ballots).value == "b"

    def test_ballots_without_confidence_count_as_the_mean(self) -> None:
        ballots = [Ballot("a"), Ballot("b", index=1), Ballot("b", index=2)]
        assert weighted("confidence")(ballots).value == "b"

    @pytest.mark.parametrize("make", [lambda: weighted("x"), lambda: weighted(temperature=0)])  # type: ignore[arg-type]
    def test_unknown_arguments_are_refused(self, make: Any) -> None:
        with pytest.raises(SetupError):
            make()


class TestGraphs:
    def test_weights_of_voters_decide(self, server: StubServer) -> None:
        server.on("Expert.", {"ballot": "yes"})
        server.on("Layman", {"ballot": "no"})
        voters = [
            Voter("expert", "Expert.", weight=2),
            Voter("one", "Layman one."),
            Voter("two", "Layman two."),
        ]
        graph = create_voting(voters, options=["yes", "no"], rule="weighted", model=MODEL)
        state = graph.invoke({"input": "x"})
        assert (state["output"], state["report"]["counts"]) == ("yes", {"yes": 1, "no": 2})

    def test_rankings_are_asked_for_and_counted(self, server: StubServer) -> None:
        server.on("Rank all of these, best first: red, green, blue.", {"ballot": ["green", "red"]})
        graph = create_voting(
            Voter("taste", "Which colour?"),
            options=["red", "green", "blue"],
            rule="borda",
            max_votes=3,
            model=MODEL,
        )
        assert graph.invoke({"input": "x"})["output"] == "green"
        assert len(server.requests) == 3

    @pytest.mark.parametrize("reply", [{"ballot": 41.5}, "41.5"])
    def test_numbers_are_asked_for_and_their_median_taken(
        self, server: StubServer, reply: Any
    ) -> None:
        server.on("How many?", reply if isinstance(reply, dict) else {"ballot": float(reply)})
        graph = create_voting(
            Voter("guess", "How many?"), options=float, rule="median", max_votes=3, model=MODEL
        )
        assert graph.invoke({"input": "x"})["output"] == 41.5

    @pytest.mark.parametrize("reply", ["many", True, "", "inf", ["7"]])
    def test_a_ballot_that_is_no_number_is_unreadable(self, reply: Any) -> None:
        assert read_reply({"ballot": reply}, int).unreadable
        assert read_reply({"ballot": "-7"}, int).ballot == -7

    @pytest.mark.parametrize("rule", ["weighted", "borda", "median"])
    def test_settled_is_refused_for_rules_that_read_more_than_counts(self, rule: str) -> None:
        voters = [Voter("a", run=print), Voter("b", run=print)]
        with pytest.raises(SetupError, match="fixed_2"):
            create_voting(voters, options=["x", "y"], rule=rule, stop="settled")

    @pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
    def test_weights_that_mean_nothing_are_refused(self, weight: float) -> None:
        with pytest.raises(SetupError, match="above 0"):
            Voter("a", "x", weight=weight)


class TestPanelStatistics:
    def report(self, decision: str, **ballots: str | None) -> dict[str, Any]:
        branches = [
            {
                "name": name,
                "status": "ok",
                "output": {"ballot": ballot, "unreadable": None if ballot else "is empty"},
            }
            for name, ballot in ballots.items()
        ]
        return {"pattern": "voting", "decision": decision, "branches": branches}

    def test_copies_are_worth_one_vote(self) -> None:
        reports = [self.report(x, a=x, b=x, c=x) for x in "xyxxy"]
        statistics = panel_statistics(reports)
        assert statistics["mean_correlation"] == pytest.approx(1)
        assert statistics["effective_votes"] == pytest.approx(1)

    def test_independent_voters_are_worth_as_many_as_they_are(self) -> None:
        pairs = [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")]
        statistics = panel_statistics([self.report("x", a=a, b=b) for a, b in pairs])
        assert statistics["mean_correlation"] == pytest.approx(0)
        assert statistics["effective_votes"] == pytest.approx(2)

    def test_unreadable_ballots_and_dissent_are_counted_per_voter(self) -> None:
        reports = [self.report("x", a="x", b=None), self.report("x", a="x", b="y")]
        voters = panel_statistics(reports)["voters"]
        assert voters["a"] == {"ballots": 2, "unreadable": 0.0, "with_outcome": 1.0}
        assert voters["b"] == {"ballots": 1, "unreadable": 0.5, "with_outcome": 0.0}

    def test_it_reads_the_reports_of_a_real_panel(self) -> None:
        graph = create_voting(
            [Voter("a", run=lambda t: t), Voter("b", run=lambda t: t)], options=["x", "y", "z"]
        )
        reports = [graph.invoke({"input": text})["report"] for text in "xyxy"]
        assert panel_statistics(reports)["mean_agreement"] == 1.0

    def test_other_reports_are_refused(self) -> None:
        with pytest.raises(SetupError, match="no ballots"):
            panel_statistics([{"pattern": "sectioning"}])
        with pytest.raises(SetupError, match="two or more voters"):
            panel_statistics([])
