"""What is warned of when a vote is built, the presets, and the defaults of panels."""

import warnings
from typing import Any

import pytest
from drive import run
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from langgraph_parallel import (
    SetupWarning,
    Voter,
    ahead_by,
    best_of,
    build_voting,
    create_voting,
    fixed,
    plurality,
    weighted,
)
from langgraph_parallel.nodes.voting_spec import VotingSpec

AB = ["a", "b"]
STILL = ChatOpenAI(model="m", api_key=SecretStr("k"), temperature=0)
WARM = ChatOpenAI(model="m", api_key=SecretStr("k"), temperature=0.7)


def panel(size: int, **options: Any) -> list[Voter]:
    return [Voter(f"v{i}", run=str, **options) for i in range(size)]


def heard(voters: Any, **options: Any) -> list[str]:
    """Build a vote and give what was warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        create_voting(voters, **options)
    assert {warning.category for warning in caught} <= {SetupWarning}
    return [str(warning.message) for warning in caught]


ONE = Voter("v", run=str)
ASKED = Voter("v", "Vote.")
HEAVY = [Voter("chair", run=str, weight=3), *panel(2)]


class TestWarnings:
    @pytest.mark.parametrize(
        ("voters", "options", "part"),
        [
            (ONE, {"options": AB, "stop": "fixed_4"}, "4 votes on a question with two options"),
            (ONE, {"options": AB, "stop": fixed(9), "max_votes": 4}, "4 votes on a question"),
            (ONE, {"options": AB, "stop": "settled", "max_votes": 4}, "odd number, such as 5"),
            (panel(4), {"options": AB}, "4 votes on a question with two options can tie"),
            (panel(4), {"options": AB, "rule": "weighted"}, "4 votes on a question"),
            (HEAVY, {"rule": "weighted"}, "'chair' with weight 3 decides alone"),
            (HEAVY, {"rule": weighted()}, "all others together weigh 2"),
            (ONE, {"stop": "ahead_by_5", "max_votes": 4}, "max_votes=4 never lets the stop 'ahead"),
            (ONE, {"stop": ahead_by(5), "max_votes": 4}, "never lets the stop ahead_by finish"),
            (ONE, {"stop": "fixed_5", "max_votes": 4}, "Raise max_votes"),
            (panel(5), {"stop": "ahead_by_2", "rule": "majority"}, "makes no decision for a panel"),
            (panel(3), {"stop": "ahead_by_1", "rule": "any", "options": AB}, "all say 'b'"),
            (ASKED, {"model": STILL}, "'v' is asked several times at temperature 0"),
            (Voter("v", "Vote.", model=STILL), {"model": WARM}, "Raise the temperature"),
        ],
    )
    def test_it_is_warned_of(self, voters: Any, options: dict[str, Any], part: str) -> None:
        texts = heard(voters, **options)
        assert any(part in text for text in texts), texts

    @pytest.mark.parametrize(
        ("voters", "options"),
        [
            (ONE, {}),
            (ONE, {"options": AB, "stop": "fixed_5"}),
            (ONE, {"options": [*AB, "c"], "stop": "fixed_4"}),
            (ONE, {"options": AB, "stop": "fixed_4", "rule": plurality(tie="one_more")}),
            (ONE, {"options": AB, "stop": "fixed_4", "rule": plurality(tie=AB)}),
            (ONE, {"options": AB, "stop": "ahead_by_2", "max_votes": 4}),
            (panel(4), {"options": AB, "default": "a"}),
            (panel(4), {"options": AB, "on_undecided": "abstain"}),
            (panel(4), {"options": AB, "rule": "any"}),
            (panel(3, weight=2), {"rule": "weighted"}),
            (HEAVY, {"rule": "majority"}),
            ([Voter("chair", run=str, weight=2), *panel(2)], {"rule": "weighted"}),
            (ONE, {"stop": "ahead_by_4", "max_votes": 4}),
            (panel(5), {"stop": "ahead_by_2"}),
            (panel(3), {"rule": "any", "options": AB}),
            (ASKED, {"model": WARM}),
            (ASKED, {"model": STILL, "max_votes": 1, "stop": "fixed_1"}),
            ([ASKED, Voter("w", "Vote too.")], {"model": STILL}),
            (ONE, {"model": STILL}),
            (ONE, {"rule": best_of(len, threshold=3)}),
        ],
    )
    def test_what_is_fine_is_not(self, voters: Any, options: dict[str, Any]) -> None:
        assert heard(voters, **options) == []

    @pytest.mark.parametrize("build", [create_voting, build_voting])
    def test_the_warning_is_shown_at_the_users_line(self, build: Any) -> None:
        with pytest.warns(SetupWarning) as caught:
            build(ONE, options=AB, stop="fixed_4")
        assert caught[0].filename == __file__


class TestPresets:
    @pytest.mark.parametrize(
        ("name", "calls", "cap"), [("quick", 2, 15), ("standard", 3, 15), ("careful", 4, 39)]
    )
    def test_a_preset_is_a_stop_and_a_cap(self, name: str, calls: int, cap: int) -> None:
        spec = VotingSpec([Voter("v", run=lambda _: "a")], stop=name)
        assert (spec.votes, spec.calls) == (cap, 2 * cap)
        report = run(create_voting(spec.voters, stop=name), {"input": "x"})["report"]
        assert report["calls"]["started"] == calls

    def test_a_cap_of_your_own_holds(self) -> None:
        assert VotingSpec([ONE], stop="careful", max_votes=9).votes == 9


class TestPanels:
    def test_a_panel_that_is_sampled_is_decided_by_plurality_of_the_ballots_cast(self) -> None:
        voters = [Voter(name, run=lambda _: "a") for name in ("ann", "bob", "cid")]
        report = run(create_voting(voters, stop="careful"), {"input": "x"})["report"]
        names = [branch["name"] for branch in report["branches"]]
        assert (report["decision"], names) == ("a", ["ann", "bob", "cid", "ann"])

    def test_a_panel_with_a_stop_that_asks_fewer_is_decided_by_those(self) -> None:
        voters = [Voter(f"v{i}", run=lambda _: "a") for i in range(5)]
        report = run(create_voting(voters, stop="ahead_by_2"), {"input": "x"})["report"]
        assert (report["decision"], report["calls"]["started"]) == ("a", 2)

    @pytest.mark.parametrize(
        ("options", "pace"),
        [
            ({}, "all_at_once"),
            ({"rounds": "lossless"}, "lossless"),
            ({"stop": "ahead_by_2"}, "lossless"),
            ({"stop": "fixed_3"}, "lossless"),
            ({"max_votes": 9}, "lossless"),
        ],
    )
    def test_a_whole_panel_is_asked_at_once(self, options: dict[str, Any], pace: str) -> None:
        assert VotingSpec(panel(5), **options).pace == pace
