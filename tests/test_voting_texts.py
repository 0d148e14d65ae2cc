"""Votes on free texts: best of N, consensus, equal meanings; red flags."""

from collections.abc import Sequence
from typing import Any

import pytest
from drive import MODEL, Graph, run, statuses
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel
from stub_server import Reply, StubServer
from text_model import TextModel

from langgraph_parallel import (
    Ballot,
    BranchFailedError,
    Decision,
    SetupError,
    UndecidedError,
    Voter,
    best_of,
    consensus,
    create_voting,
    same_if,
    same_meaning,
)
from langgraph_parallel.aggregators.meaning import read_groups

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def texts(server: StubServer, *replies: str) -> None:
    """Let the n-th vote be the n-th text."""
    server.on("Write.", lambda request: replies[min(request.seen, len(replies) - 1)])


def sampled(**options: Any) -> Graph:
    return create_voting(Voter("v", "Write."), model=MODEL, **options)


async def length(text: str) -> int:
    return len(text)


SCORERS: dict[str, Any] = {
    "function": len,
    "async": length,
    "runnable": RunnableLambda(len),
    "with the input": lambda text, *, input: len(text) + len(input) - len(input),  # noqa: A006
}


class TestBestOf:
    @BOTH
    @pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
    def test_the_highest_score_wins(self, server: StubServer, scorer: Any, mode: str) -> None:
        texts(server, "four", "longest", "three")
        graph = sampled(rule=best_of(scorer), max_votes=3)
        state = run(graph, {"input": "x"}, mode)
        assert state["output"] == "longest"
        scores = [branch["output"]["score"] for branch in state["report"]["branches"]]
        assert scores == [4.0, 7.0, 5.0]

    def test_a_prompt_scores_with_the_model(self, server: StubServer) -> None:
        server.on("Rate it.", lambda request: "9" if "good one" in request.text else "Score: 3")
        server.on("Rate it.", "3")
        texts(server, "bad one", "good one")
        with pytest.raises(UndecidedError):  # "Score: 3" is no number
            run(sampled(rule=best_of("Rate it."), max_votes=1, max_calls=1), {"input": "x"})
        graph = sampled(rule=best_of("Rate it."), max_votes=1)
        state = run(graph, {"input": "the task"})
        assert state["output"] == "good one"
        asked = next(r.request.text for r in server.requests if "good one" in r.request.text)
        assert "the task" in asked
        assert asked.startswith("Rate it.\n\nAnswer with a number only.")
        assert state["report"]["usage"]["calls"] == 4

    @BOTH
    def test_a_threshold_stops_at_the_first_that_reaches_it(
        self, server: StubServer, mode: str
    ) -> None:
        texts(server, "a", "bbb", "cc", "dddd")
        state = run(sampled(rule=best_of(len, threshold=3)), {"input": "x"}, mode)
        assert (state["output"], len(server.requests)) == ("bbb", 2)
        assert state["report"]["stopped_by"] == "stop"

    def test_if_none_reaches_it_the_highest_wins(self, server: StubServer) -> None:
        texts(server, "a", "bb", "c")
        state = run(sampled(rule=best_of(len, threshold=9), max_votes=3), {"input": "x"})
        assert (state["output"], state["report"]["stopped_by"]) == ("bb", "max_votes")

    def test_asked_together_the_first_by_index_wins_not_the_quickest(
        self, server: StubServer
    ) -> None:
        server.on(lambda request: "ann" in request.text, Reply("slow one", gate="ann"))
        server.on("", "quick one")
        voters = [Voter(name, f"Write as {name}.") for name in ("ann", "bob", "cid")]
        graph = create_voting(
            voters, rule=best_of(len, threshold=3), rounds="all_at_once", model=MODEL
        )
        server.open("ann")
        state = run(graph, {"input": "x"})
        assert (state["output"], statuses(state)["ann"]) == ("slow one", "ok")

    @pytest.mark.parametrize("score", [None, "high", float("nan"), True])
    def test_a_ballot_without_a_score_is_asked_for_again(self, score: Any) -> None:
        scores = {"first": score, "second": 1.0}
        names = iter(["first", "second"])
        graph = create_voting(
            Voter("v", run=lambda _: next(names)), rule=best_of(scores.get), max_votes=1
        )
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["calls"]["unreadable"]) == ("second", 1)

    def test_a_ballot_whose_scorer_fails_is_asked_for_again(self) -> None:
        def score(text: str) -> float:
            if text == "x":
                raise ValueError("no x")
            return 1.0

        names = iter("xy")
        voter = Voter("v", run=lambda _: next(names))
        graph = create_voting(voter, rule=best_of(score), max_votes=1)
        state = run(graph, {"input": "x"})
        why = state["report"]["branches"][0]["output"]["unreadable"]
        assert (state["output"], why) == ("y", "could not be scored: ValueError: no x")

    @pytest.mark.usefixtures("no_waits")
    def test_a_scorer_is_tried_again_without_asking_the_voter_again(
        self, server: StubServer
    ) -> None:
        server.on(lambda r: "Rate" in r.text and r.seen == 0, Reply(status=503))
        server.on("Rate", "7")
        server.on("Write.", "a text")
        state = run(sampled(rule=best_of("Rate it."), max_votes=1), {"input": "x"})
        assert state["output"] == "a text"
        assert server.count("Write.") == 1

    def test_a_prompt_is_asked_of_the_patterns_model(self) -> None:
        own = TextModel(replies={"Write.": "a text"})
        judge = TextModel(replies={"Rate": "7"})
        graph = create_voting(
            Voter("v", "Write.", model=own), rule=best_of("Rate it."), max_votes=1, model=judge
        )
        branch = run(graph, {"input": "x"})["report"]["branches"][0]
        assert branch["output"]["score"] == 7.0

    def test_advisers_and_judges_are_not_scored(self) -> None:
        scored: list[str] = []
        voters = [Voter("v", run=lambda _: "vote"), Voter("w", run=lambda _: "w", advisory=True)]

        def score(text: str) -> float:
            scored.append(text)
            return 1.0

        graph = create_voting(voters, rule=best_of(score), max_votes=1)
        run(graph, {"input": "x"})
        assert scored == ["vote"]

    def test_equal_scores_go_to_the_lowest_index_and_no_ballots_to_nobody(self) -> None:
        rule = best_of(len)
        assert rule([Ballot("b", index=1, score=1), Ballot("a", score=1)]).value == "a"
        assert not rule([]).decided

    @pytest.mark.parametrize("scorer", [None, 3, "", "  "])
    def test_a_scorer_is_a_prompt_or_callable(self, scorer: Any) -> None:
        with pytest.raises(SetupError, match="cannot score"):
            best_of(scorer)

    def test_a_threshold_is_finite(self) -> None:
        with pytest.raises(SetupError, match="threshold=inf"):
            best_of(len, threshold=float("inf"))


class TestConsensus:
    @BOTH
    def test_a_model_picks_one_of_the_ballots(self, server: StubServer, mode: str) -> None:
        server.on("Several people", lambda request: "2." if "2. Rome" in request.text else "none")
        texts(server, "Paris", "Rome", "Rome")
        state = run(sampled(rule=consensus(), max_votes=3), {"input": "the task"}, mode)
        assert state["output"] == "Rome"
        text = server.requests[-1].request.text
        for part in ("the task", "1. Paris (1x)", "2. Rome (2x)"):
            assert part in text
        assert state["report"]["usage"]["calls"] == 4

    def test_ballots_that_agree_need_no_call(self, server: StubServer) -> None:
        texts(server, "Paris")
        state = run(sampled(rule=consensus(), max_votes=3), {"input": "x"})
        assert (state["output"], len(server.requests)) == ("Paris", 3)

    @pytest.mark.parametrize("reply", ["2", "2. Rome", "Answer 2", "I choose 2.", "2: not 1"])
    def test_a_reply_may_say_more_than_the_number(self, server: StubServer, reply: str) -> None:
        server.on("Several people", reply)
        texts(server, "Paris", "Rome", "Rome")
        assert run(sampled(rule=consensus(), max_votes=3), {"input": "x"})["output"] == "Rome"

    @pytest.mark.parametrize("reply", ["7", "1 or 2", "Paris, I think", ""])
    def test_a_reply_that_names_none_is_no_decision(self, server: StubServer, reply: str) -> None:
        server.on("Several people", reply)
        texts(server, "Paris", "Rome", "Rome")
        with pytest.raises(UndecidedError):
            run(sampled(rule=consensus(), max_votes=3), {"input": "x"})

    def test_a_model_that_fails_ends_the_run_with_the_ballots(self, server: StubServer) -> None:
        server.on("Several people", Reply(status=401))
        texts(server, "Paris", "Rome", "Rome")
        with pytest.raises(BranchFailedError, match="The rule, stop or merge failed") as caught:
            run(sampled(rule=consensus(), max_votes=3), {"input": "x"})
        branches = caught.value.report["branches"]
        assert [branch["output"]["ballot"] for branch in branches] == ["Paris", "Rome", "Rome"]

    def test_a_rule_of_your_own_may_be_async(self, server: StubServer) -> None:
        async def last(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
            return Decision(ballots[-1].value)

        texts(server, "one", "two", "three")
        assert run(sampled(rule=last, max_votes=3), {"input": "x"})["output"] == "three"

    @pytest.mark.parametrize("rule", [consensus(), best_of(len)])
    def test_settled_is_refused(self, rule: Any) -> None:
        with pytest.raises(SetupError, match="reads more"):
            sampled(rule=rule, stop="settled")


class TestMerge:
    @BOTH
    def test_ballots_that_a_function_calls_the_same_are_counted_as_one(
        self, server: StubServer, mode: str
    ) -> None:
        texts(server, "Paris", "Lyon", "paris", "PARIS", "Paris")
        graph = sampled(merge=same_if(lambda a, b: a.lower() == b.lower()))
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], len(server.requests)) == ("Paris", 5)
        report = state["report"]
        assert report["counts"] == {"Paris": 4, "Lyon": 1}
        assert report["merged"] == {"Paris": ["paris", "PARIS"]}
        originals = [branch["output"]["ballot"] for branch in report["branches"]]
        assert originals == ["Paris", "Lyon", "paris", "PARIS", "Paris"]

    @BOTH
    def test_a_model_groups_ballots_once_for_each_round_with_new_ones(
        self, server: StubServer, mode: str
    ) -> None:
        def group(request: Any) -> str:
            return "1, 3\n2" if "3. in France" in request.text else "1\n2"

        server.on("Group these", group)
        texts(server, "Paris, France", "Rome", "in France", "Paris, France", "Paris, France")
        state = run(sampled(merge=same_meaning()), {"input": "x"}, mode)
        assert state["output"] == "Paris, France"
        assert state["report"]["counts"] == {"Paris, France": 4, "Rome": 1}
        assert state["report"]["merged"] == {"Paris, France": ["in France"]}
        grouping = [r for r in server.requests if "Group these" in r.request.text]
        assert len(grouping) == 1
        assert state["report"]["usage"]["calls"] == 6

    def test_what_was_merged_before_stays_so_when_new_ballots_come(
        self, server: StubServer
    ) -> None:
        server.on("3. c", "1, 3\n2")  # a and c are one, b another
        server.on("Group these", "1\n2\n3")
        texts(server, "a", "b", "c", "d", "a", "a")
        report = run(sampled(merge=same_meaning(), max_votes=5), {"input": "x"})["report"]
        assert report["counts"] == {"a": 3, "b": 1, "d": 1}
        second = server.requests[-1].request.text
        assert "1. a" in second
        assert "3. d" in second

    def test_a_grouping_that_is_none_ends_the_run(self, server: StubServer) -> None:
        server.on("Group these", "they are all alike")
        texts(server, "a", "b", "c")
        with pytest.raises(BranchFailedError, match="no grouping of the answers 1 to 3"):
            run(sampled(merge=same_meaning()), {"input": "x"})

    def test_a_merge_of_the_wrong_length_ends_the_run(self, server: StubServer) -> None:
        texts(server, "a", "b", "c")
        with pytest.raises(BranchFailedError, match="for 3 ballots"):
            run(sampled(merge=lambda values: values[:1]), {"input": "x"})

    @pytest.mark.parametrize(
        ("reply", "groups"),
        [
            ("1, 2, 3", [{1, 2, 3}]),
            ("1\n2\n3", [{1}, {2}, {3}]),
            ("- 1, 3\n- 2\n", [{1, 3}, {2}]),
            ("[1, 3]\n[2]", [{1, 3}, {2}]),
            ("Group 1: 1, 3\nGroup 2: 2", [{1, 3}, {2}]),
            ("The groups:\n1, 3\n2", [{1, 3}, {2}]),
        ],
    )
    def test_groups_are_read(self, reply: str, groups: list[set[int]]) -> None:
        assert read_groups(reply, 3) == groups

    @pytest.mark.parametrize("reply", ["", "1, 2", "1, 2, 3, 4", "1\n1, 2, 3", "all of 1, 2, 3"])
    def test_groups_that_leave_out_or_repeat_are_refused(self, reply: str) -> None:
        with pytest.raises(ValueError, match="1 to 3"):
            read_groups(reply, 3)

    def test_a_merge_that_gives_nothing_ends_the_run(self, server: StubServer) -> None:
        texts(server, "a", "b", "c")
        with pytest.raises(BranchFailedError, match="for 3 ballots"):
            run(sampled(merge=lambda values: [None] * len(values)), {"input": "x"})

    def test_two_ballots_are_compared_by_a_plain_function(self) -> None:
        async def same(one: str, other: str) -> bool:
            return one == other

        for function in (same, "equal"):
            with pytest.raises(SetupError, match="plain function"):
                same_if(function)  # type: ignore[arg-type]

    def test_a_judge_that_names_a_merged_form_agrees_with_it(self) -> None:
        voters = [Voter(n, run=lambda _, n=n: n) for n in ("Paris", "paris", "Rome", "rome")]
        graph = create_voting(
            voters,
            rule="majority",
            merge=same_if(lambda a, b: a.lower() == b.lower()),
            on_undecided=Voter("judge", run=lambda _: "paris"),
        )
        report = run(graph, {"input": "x"})["report"]
        assert (report["decision"], report["agreement"]) == ("Paris", 0.5)

    def test_a_merge_must_be_callable(self) -> None:
        with pytest.raises(SetupError, match="merge='same'"):
            sampled(merge="same")


class TestRedFlags:
    @BOTH
    def test_too_long_replies_are_unreadable_and_asked_for_again(
        self, server: StubServer, mode: str
    ) -> None:
        texts(server, "yes " * 30, "yes", "yes", "yes")
        state = run(sampled(max_chars=50), {"input": "x"}, mode)
        why = state["report"]["branches"][0]["output"]["unreadable"]
        assert why == "is too long: 120 characters, 50 are allowed"
        assert state["report"]["calls"]["unreadable"] == 1

    def test_the_length_of_structured_replies_counts_too(self, server: StubServer) -> None:
        server.on("", {"ballot": "yes", "reason": "word " * 30})

        class Reasoned(BaseModel):
            ballot: str
            reason: str

        voter = Voter("v", "Vote.", schema=Reasoned)
        graph = create_voting(voter, options=["yes", "no"], model=MODEL, max_chars=100)
        with pytest.raises(UndecidedError) as caught:
            run(graph, {"input": "x"})
        assert caught.value.report["calls"]["unreadable"] == 30

    def test_texts_that_were_cut_off_are_unreadable(self, server: StubServer) -> None:
        server.on(lambda request: request.seen == 0, Reply("yes", finish_reason="length"))
        server.on("", "yes")
        state = run(sampled(), {"input": "x"})
        assert "cut off" in state["report"]["branches"][0]["output"]["unreadable"]
        assert state["report"]["calls"]["readable"] == 3

    def test_max_chars_is_one_or_more(self) -> None:
        with pytest.raises(SetupError, match="max_chars=0"):
            sampled(max_chars=0)
