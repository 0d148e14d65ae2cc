"""Votes whose parts do not fit are refused when they are built; user's functions that misbehave."""

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import pytest
from drive import MODEL, run
from pydantic import BaseModel
from stub_server import StubServer
from text_model import TextModel

from langgraph_parallel import (
    Ballot,
    BranchFailedError,
    Decision,
    SetupError,
    UndecidedError,
    Voter,
    ahead_by,
    at_least,
    create_voting,
    panel_statistics,
    plurality,
    quorum,
    settled,
    unanimous_or,
)
from langgraph_parallel.nodes.ballot import read_reply

AB = ["a", "b"]


class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


class Bug(BaseModel):
    line: int
    kind: str


class Reason(BaseModel):
    reason: str


def panel(*ballots: Any) -> list[Voter]:
    return [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate(ballots)]


ONE = Voter("v", run=lambda _: "a")
ASKED = Voter("v", "Vote.", model=MODEL)


async def waits(counts: Mapping[str, int], n: int, cap: int) -> bool:
    return n > 2


class TestFit:
    @pytest.mark.parametrize(
        ("voters", "options", "parts"),
        [
            (ONE, {"options": AB, "rule": at_least(1, "c", "a")}, ["'c'", "none of the options"]),
            (ONE, {"options": AB, "rule": plurality(tie=["a", "c"])}, ["'c'", "none of"]),
            (ONE, {"options": AB, "rule": "median"}, ["'median' is for numbers", "options=float"]),
            (ASKED, {"rule": "median"}, ["'median' is for numbers", "None"]),
            (ONE, {"options": float, "rule": "borda"}, ["'borda' ranks labels", "list of labels"]),
            (ONE, {"options": bool}, ["options=<class 'bool'>", "int or float"]),
            (ONE, {"options": str}, ["options=<class 'str'>", "Pydantic model"]),
            (ONE, {"options": Mood}, ["Mood", "list of labels"]),
            (ONE, {"options": list(Mood)}, ["no plain data", "its members' values"]),
            (
                Voter("v", "Vote.", schema=Reason),
                {"options": AB},
                ["'v' has the schema Reason", "'ballot'"],
            ),
            (ONE, {"rule": plurality}, ["rule=plurality is not built", "plurality(...)"]),
            (ONE, {"stop": ahead_by}, ["stop=ahead_by is not built"]),
            (ONE, {"stop": waits}, ["async", "plain one"]),
            (ONE, {"stop": lambda c, *_: max(c.values()) > 2}, ["raised ValueError", "{}"]),
            (ONE, {"max_votes": 2.5}, ["max_votes=2.5", "whole number"]),
            (ONE, {"max_calls": "5"}, ["max_calls='5'", "whole number"]),
            (ONE, {"rule": "weighted", "stop": settled()}, ["'settled' knows the counts"]),
            (ONE, {"on_undecided": Voter("j", "Judge.", model="bogus")}, ["'bogus'"]),
        ],
    )
    def test_it_is_refused(self, voters: Any, options: dict[str, Any], parts: list[str]) -> None:
        with pytest.raises(SetupError) as caught:
            create_voting(voters, **options)
        for part in parts:
            assert part in str(caught.value)

    @pytest.mark.parametrize("make", [lambda: quorum(3, "ahead_by_2"), lambda: unanimous_or("x")])  # type: ignore[arg-type]
    def test_a_stop_goes_on_to_a_stop(self, make: Any) -> None:
        with pytest.raises(SetupError, match="no stop"):
            make()

    def test_flags_of_a_rule_are_the_options_of_prompts(self, server: StubServer) -> None:
        server.on("", {"ballot": "unsafe"})
        voters = [Voter(name, f"{name}?") for name in "xyz"]
        graph = create_voting(voters, rule=at_least(2, "unsafe", "safe"), model=MODEL)
        assert run(graph, {"input": "x"})["output"] == "unsafe"
        assert "exactly one of: unsafe, safe" in server.requests[0].request.text

    def test_a_text_flags_true_where_the_rule_has_no_labels_of_its_own(self) -> None:
        model = TextModel(replies={"?": "True."})
        voters = [Voter(name, f"{name}?") for name in "xyz"]
        assert run(create_voting(voters, rule="any", model=model), {"input": "x"})["output"] is True


class TestOwnFunctions:
    def test_a_rule_of_your_own_sees_the_whole_panel(self) -> None:
        def surest(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
            return Decision(max(ballots, key=lambda ballot: ballot.confidence or 0).value)

        ballots = [{"ballot": "a", "confidence": 0.5}] * 2 + [{"ballot": "b", "confidence": 0.9}]
        graph = create_voting(panel(*ballots), options=AB, rule=surest)
        assert run(graph, {"input": "x"})["output"] == "b"

    def test_settled_without_a_rule_is_that_of_the_graph(self) -> None:
        voters = panel("safe", "safe", "safe", "unsafe")
        options = ["unsafe", "safe"]
        graph = create_voting(voters, options=options, rule="any", stop=settled())
        assert run(graph, {"input": "x"})["output"] == "unsafe"

    def test_a_rule_of_your_own_runs_in_a_thread(self) -> None:
        threads: list[Any] = []

        def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
            threads.append(threading.current_thread())
            return Decision("a")

        async def called() -> None:
            here = threading.current_thread()
            await create_voting(panel("a", "b", "b"), rule=rule).ainvoke({"input": "x"})
            assert here not in threads

        asyncio.run(called())
        assert threads

    @pytest.mark.parametrize(
        ("rule", "part"),
        [
            (lambda *_: "a", "gave 'a' of type str"),
            (lambda *_: Decision({"a"}.pop), "not plain data"),
            (lambda *_: 1 / 0, "division by zero"),
        ],
    )
    def test_a_rule_that_misbehaves_ends_the_run_with_the_ballots(
        self, rule: Any, part: str
    ) -> None:
        with pytest.raises(BranchFailedError, match=part) as caught:
            run(create_voting(panel("a", "b", "a"), rule=rule), {"input": "x"})
        assert len(caught.value.report["branches"]) == 3

    @pytest.mark.parametrize("rounds", ["lossless", "all_at_once"])
    def test_a_stop_that_raises_ends_the_run_with_the_ballots(self, rounds: Any) -> None:
        def stop(counts: Mapping[str, int], n: int, cap: int) -> bool:
            if counts.get("b"):
                raise ValueError("no b")
            return n > 2

        with pytest.raises(BranchFailedError, match="no b") as caught:
            run(create_voting(panel("a", "b", "a"), stop=stop, rounds=rounds), {"input": "x"})
        assert caught.value.report["branches"]

    def test_an_async_rule_is_asked_once_for_each_more_ballot(self) -> None:
        sizes: list[int] = []
        names = iter("abcdefgh")

        async def rule(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
            sizes.append(len(ballots))
            return Decision(None, decided=False)

        graph = create_voting(
            Voter("v", run=lambda _: next(names)),
            rule=rule,
            max_votes=3,
            max_calls=8,
            on_undecided="more",
            default="z",
        )
        state = run(graph, {"input": "x"})
        assert sizes == [3, 4, 5, 6, 7, 8]
        assert (state["output"], state["report"]["stopped_by"]) == ("z", "max_calls")

    def test_new_labels_may_be_the_shortest_way_to_a_stop(self) -> None:
        names = iter("abcdefgh")
        voter = Voter("v", run=lambda _: next(names))
        graph = create_voting(voter, stop=lambda counts, *_: len(counts) > 1)
        assert run(graph, {"input": "x"})["report"]["calls"]["started"] == 2


@dataclass
class Settings:
    name: str = "new"


class TestConfigure:
    @pytest.mark.parametrize(
        "change",
        [
            {"on_undecided": "judge"},
            {"voters": [Voter("new", run=str)]},
            {"voters": [*panel("a", "b", "c"), Voter("new", run=str)]},
        ],
    )
    def test_voters_without_a_node_are_refused(self, change: dict[str, Any]) -> None:
        graph = create_voting(
            panel("a", "b", "c"),
            context_schema=Settings,
            configure=lambda spec, _: replace(spec, **change),
        )
        with pytest.raises(SetupError, match=r"no nodes; it has \['v0', 'v1', 'v2'\]"):
            run(graph, {"input": "x"})


def arriving(ballots: str, late: int) -> list[Voter]:
    """Make voters of whom one waits for the ballots of all others."""
    cast: set[int] = set()
    others = asyncio.Event()

    def voter(index: int) -> Voter:
        async def vote(_: Any) -> str:
            if index == late:
                await asyncio.wait_for(others.wait(), 5)
            cast.add(index)
            if len(cast) == len(ballots) - 1:
                others.set()
            return ballots[index]

        return Voter(f"v{index}", run=vote)

    return [voter(index) for index in range(len(ballots))]


class TestArrival:
    @pytest.mark.parametrize("late", range(5))
    async def test_one_more_ballot_is_the_next_by_index(self, late: int) -> None:
        graph = create_voting(
            arriving("ababb", late),
            options=[*AB, "c"],
            rule=plurality(tie="one_more"),
            stop="fixed_2",
            rounds="all_at_once",
        )
        assert (await graph.ainvoke({"input": "x"}))["output"] == "a"

    @pytest.mark.parametrize("late", range(5))
    async def test_a_judge_sees_the_ballots_that_counted(self, late: int) -> None:
        seen: list[str] = []

        def judge(case: dict[str, Any]) -> str:
            seen.append(case["ballots"])
            return "a"

        graph = create_voting(
            arriving("ababb", late),
            options=[*AB, "c"],
            rule=plurality(tie="undecided"),
            stop="fixed_2",
            rounds="all_at_once",
            on_undecided=Voter("judge", run=judge),
        )
        await graph.ainvoke({"input": "x"})
        assert seen == ["v0: a\nv1: b"]


class TestBallots:
    def test_a_model_is_enforced(self) -> None:
        assert read_reply({"line": 3, "kind": "leak"}, Bug).ballot == {"line": 3, "kind": "leak"}
        assert read_reply('{"line": 3, "kind": "leak"}', Bug).ballot is not None
        wrapped = read_reply({"ballot": {"line": 3, "kind": "x"}, "reason": "so"}, Bug)
        assert (wrapped.ballot, wrapped.reason) == ({"line": 3, "kind": "x"}, "so")
        for reply in ({"foo": 1}, "Sorry, I cannot.", None, {"line": "many", "kind": "x"}):
            assert "is no Bug" in (read_reply(reply, Bug).unreadable or "")

    def test_a_model_with_a_field_ballot_is_kept_whole(self) -> None:
        class Vote(BaseModel):
            ballot: str
            severity: int

        assert read_reply({"ballot": "a", "severity": 2}, Vote).ballot == {
            "ballot": "a",
            "severity": 2,
        }

    def test_whole_numbers_are_whole(self) -> None:
        assert read_reply("3", int).ballot == 3
        assert "no whole number" in (read_reply("3.5", int).unreadable or "")
        assert read_reply("3.5", float).ballot == 3.5

    @pytest.mark.parametrize(
        ("said", "read"),
        [(0.9, 0.9), ("0.9", 0.9), (90, None), (float("nan"), None), ("high", None)],
    )
    def test_a_confidence_is_a_number_from_0_to_1_or_none(self, said: Any, read: Any) -> None:
        assert read_reply({"ballot": "a", "confidence": said}, AB).confidence == read


class TestReport:
    def test_a_ranking_agrees_by_its_first_place_and_numbers_do_not_dissent(self) -> None:
        ranked = create_voting(panel(*[["a", "b"]] * 3), options=AB, rule="borda")
        report = run(ranked, {"input": "x"})["report"]
        assert (report["agreement"], report["dissent"]) == (1.0, [])
        numbers = create_voting(panel(1, 2, 4), options=float, rule="trimmed_mean")
        assert run(numbers, {"input": "x"})["report"]["dissent"] == []

    def test_a_tie_is_in_the_report(self) -> None:
        graph = create_voting(panel("a", "b"), options=[*AB, "c"], rule="plurality")
        assert run(graph, {"input": "x"})["report"]["tied"] == ["a", "b"]

    def test_no_decision_in_a_conversation_adds_no_message(self) -> None:
        graph = create_voting(
            panel("a", "b"), options=[*AB, "c"], on_undecided="abstain", input_key="messages"
        )
        assert graph.invoke({"messages": [("user", "hi")]})["messages"] == []

    def test_undecided_says_why_ballots_were_unreadable(self) -> None:
        graph = create_voting(panel("x", "y", "z"), options=AB)
        with pytest.raises(UndecidedError, match="One ballot names no option: 'x'"):
            run(graph, {"input": "x"})

    def test_a_judge_that_fails_is_named_with_its_error(self) -> None:
        graph = create_voting(
            panel("a", "b"), options=AB, on_undecided=Voter("j", run=lambda _: 1 / 0)
        )
        with pytest.raises(UndecidedError, match="division by zero"):
            run(graph, {"input": "x"})

    def test_statistics_are_of_the_voters_that_count_and_of_all_their_calls(self) -> None:
        replies: Counter[str] = Counter()

        def unsure(text: str) -> str | None:
            replies[text] += 1
            return None if replies[text] == 1 else "a"

        voters = [
            Voter("old", run=lambda _: "b", advisory=True),
            Voter("ann", run=unsure),
            Voter("bob", run=lambda _: "a"),
        ]
        graph = create_voting(voters, options=[*AB, "c"], stop="first_to_2", max_votes=4)
        report = run(graph, {"input": "x"})["report"]
        statistics = panel_statistics([report])
        assert set(statistics["voters"]) == {"ann", "bob"}
        assert statistics["voters"]["ann"]["unreadable"] == 0.5
