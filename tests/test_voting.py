"""Voting: ballots are cast, read and counted, and a rule decides."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Literal

import pytest
from drive import MODEL, Graph, chat_model, run
from langchain.agents import create_agent
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel
from stub_server import ChatRequest, Reply, StubServer, ToolCall
from text_model import TextModel

from langgraph_parallel import (
    Ballot,
    BranchFailedError,
    Decision,
    UndecidedError,
    Voter,
    at_least,
    create_sectioning,
    create_voting,
    fixed,
    plurality,
)
from langgraph_parallel.nodes.section import Section


def votes(*ballots: Any) -> Callable[[ChatRequest], dict[str, Any]]:
    """Give the ballots in turn, the last one again and again."""
    return lambda request: {"ballot": ballots[min(request.seen, len(ballots) - 1)]}


def panel(*ballots: Any) -> list[Voter]:
    return [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate(ballots)]


class TestSampled:
    def test_one_voter_is_asked_until_a_label_is_three_ahead(self, server: StubServer) -> None:
        server.on("mood", votes("good", "bad", "good", "good", "good", "bad"))
        graph = create_voting(Voter("mood", "The mood?"), options=["good", "bad"], model=MODEL)
        state = run(graph, {"input": "a text"})
        assert state["output"] == "good"
        assert state["report"]["counts"] == {"good": 4, "bad": 1}
        assert len(server.requests) == 5

    def test_the_voter_is_told_the_options_and_gets_the_input(self, server: StubServer) -> None:
        server.on("", votes("good"))
        graph = create_voting(Voter("mood", "The mood?"), options=["good", "bad"], model=MODEL)
        run(graph, {"input": "a text"})
        texts = {record.request.text for record in server.requests}
        assert texts == {"The mood?\n\nAnswer with exactly one of: good, bad.\na text"}
        schema = server.requests[0].request.schema
        assert schema is not None
        assert schema["properties"]["ballot"]["enum"] == ["good", "bad"]

    def test_free_answers_are_counted_as_text(self, server: StubServer) -> None:
        server.on("", lambda request: ["Paris", " Paris\n", "Lyon", "Paris"][min(request.seen, 3)])
        graph = create_voting(Voter("v", "The capital?"), model=MODEL)
        state = run(graph, {"input": "France"})
        assert (state["output"], state["report"]["counts"]["Paris"]) == ("Paris", 4)

    def test_equal_instances_of_a_model_are_counted_together(self, server: StubServer) -> None:
        class Place(BaseModel):
            city: str
            country: Literal["FR", "DE"]

        server.on("", {"country": "FR", "city": "Paris"})
        graph = create_voting(Voter("v", "Where?"), options=Place, model=MODEL)
        state = run(graph, {"input": "the Seine"})
        assert state["output"] == {"city": "Paris", "country": "FR"}
        assert list(state["report"]["counts"].values()) == [3]

    def test_a_schema_of_the_voter_gives_ballot_reason_confidence_and_findings(
        self, server: StubServer
    ) -> None:
        class Finding(BaseModel):
            lines: list[int]
            reason: str
            confidence: float
            ballot: Literal["hole", "clean"]

        reply = {"ballot": "hole", "confidence": 0.9, "reason": "eval", "lines": [3]}
        server.on("", reply)
        voter = Voter("v", "Scan.", schema=Finding)
        state = run(create_voting(voter, options=["hole", "clean"], model=MODEL), {"input": "x"})
        assert state["output"] == "hole"
        assert state["report"]["branches"][0]["output"] == {
            "ballot": "hole",
            "confidence": 0.9,
            "reason": "eval",
            "unreadable": None,
            "score": None,
            "details": {"lines": [3]},
        }


RUNS: dict[str, Any] = {
    "function": lambda text: "b" if text == "x" else "a",
    "runnable": RunnableLambda(lambda text: "b" if text == "x" else "a"),
    "dict": lambda _: {"ballot": "b", "reason": "because"},
    "another spelling": lambda _: "Answer: **B!**",
    "another pattern": create_sectioning(
        [Section("in", run=lambda _: "b")], aggregate=lambda results: results[0].output
    ),
}


class TestRuns:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    @pytest.mark.parametrize("target", RUNS.values(), ids=RUNS)
    def test_a_run_casts_the_ballot(self, target: Any, mode: str) -> None:
        graph = create_voting(Voter("v", run=target), options=["a", "b"])
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], state["report"]["counts"]) == ("b", {"b": 3})


class TestTools:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_each_voter_may_be_an_agent_with_tools_of_its_own(
        self, server: StubServer, mode: str
    ) -> None:
        looked: list[str] = []

        def weather(city: str) -> str:
            """Tell the weather of a city."""
            looked.append(city)
            return "rain"

        def asks_for_weather(request: ChatRequest) -> bool:
            return bool(request.body.get("tools")) and "rain" not in request.text

        server.on(asks_for_weather, Reply(tool_calls=[ToolCall("weather", {"city": "Bergen"})]))
        server.on("rain", "Answer: **umbrella**.")
        server.on("", {"ballot": "no umbrella"})
        agent: Any = create_agent(chat_model(server), [weather])
        voters = [
            Voter("looks", run=agent),
            Voter("guesses", "Umbrella or not?", model=MODEL),
            Voter("knows", run=lambda _: {"ballot": "umbrella", "reason": "it is autumn"}),
        ]
        graph = create_voting(voters, options=["umbrella", "no umbrella"], stop="fixed_3")
        state = run(graph, {"input": "Bergen today?"}, mode)
        assert (state["output"], looked) == ("umbrella", ["Bergen"])
        assert state["report"]["counts"] == {"umbrella": 2, "no umbrella": 1}


FLAG = at_least(2, "flag", "ok")


def chair_decides(ballots: Sequence[Ballot], size: int | None = None) -> Decision:
    """Let the voter v2 decide alone."""
    return Decision(next(ballot.value for ballot in ballots if ballot.voter == "v2"))


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "options", "ballots", "output"),
        [
            (None, ["a", "b"], ["a", "b", "b"], "b"),
            ("majority", None, ["a", "b", "b"], "b"),
            ("plurality", ["a", "b", "c"], ["a", "b", "c", "b"], "b"),
            ("any", ["flag", "ok"], ["ok", "ok", "flag"], "flag"),
            ("any", ["flag", "ok"], ["ok", "ok", "ok"], "ok"),
            ("any", None, [False, False, True], True),
            ("all", ["flag", "ok"], ["flag", "flag", "flag"], "flag"),
            ("all", ["flag", "ok"], ["flag", "flag", "ok"], "ok"),
            ("at_least_2", ["flag", "ok"], ["flag", "ok", "flag"], "flag"),
            ("at_least_2", ["flag", "ok"], ["flag", "ok", "ok"], "ok"),
            (FLAG, ["flag", "ok", "unsure"], ["flag", "unsure", "flag"], "flag"),
            (at_least(0.6, "flag", "ok"), None, ["flag", "flag", "ok", "ok"], "ok"),
            (chair_decides, ["a", "b"], ["a", "a", "b"], "b"),
        ],
    )
    def test_a_panel_is_decided_by_the_rule(
        self, rule: Any, options: Any, ballots: list[Any], output: Any
    ) -> None:
        graph = create_voting(
            panel(*ballots), rule=rule, options=options, stop=f"fixed_{len(ballots)}"
        )
        state = run(graph, {"input": "x"})
        assert state["output"] == output
        assert state["report"]["calls"]["readable"] == len(ballots)

    def test_by_default_a_panel_needs_more_than_half_of_all_its_voters(self) -> None:
        with pytest.raises(UndecidedError):
            run(create_voting(panel("a", "a", "b", None), options=["a", "b", "c"]), {"input": "x"})


class TestUndecided:
    def test_no_decision_raises_with_the_ballots(self) -> None:
        graph = create_voting(panel("a", "b"), options=["a", "b", "c"])
        with pytest.raises(UndecidedError, match=r"\{'a': 1, 'b': 1\} from 2 calls") as caught:
            run(graph, {"input": "x"})
        report = caught.value.report
        assert (report["decision"], report["decided"], len(report["dissent"])) == (None, False, 2)

    def test_no_decision_can_give_none(self) -> None:
        graph = create_voting(panel("a", "b"), options=["a", "b"], on_undecided="abstain")
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["decided"]) == (None, False)

    def test_no_decision_can_give_a_default_and_the_report_tells(self) -> None:
        graph = create_voting(panel("a", "b"), options=["a", "b"], default="b")
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["decision"]) == ("b", None)
        assert state["report"]["decided"] is False

    def test_a_tie_can_be_no_decision(self) -> None:
        graph = create_voting(
            panel("a", "b"), rule=plurality(tie="undecided"), default="neither", stop=fixed(2)
        )
        assert run(graph, {"input": "x"})["output"] == "neither"


class TestBallots:
    def test_unreadable_ballots_are_asked_for_again(self) -> None:
        calls = count()

        def vote(_: str) -> str | None:
            return None if next(calls) % 2 == 0 else "yes"

        graph = create_voting(Voter("v", run=vote), options=["yes", "no"])
        report = run(graph, {"input": "x"})["report"]
        assert report["counts"] == {"yes": 3}
        assert report["calls"]["readable"] == report["calls"]["unreadable"] == 3

    def test_asking_again_ends_at_max_calls(self) -> None:
        graph = create_voting(
            Voter("v", run=lambda _: "maybe"), options=["yes", "no"], max_votes=3, max_calls=5
        )
        with pytest.raises(UndecidedError, match="no readable ballot from 5 calls") as caught:
            run(graph, {"input": "x"})
        report = caught.value.report
        assert (report["calls"]["started"], report["calls"]["unreadable"]) == (5, 5)
        assert report["stopped_by"] == "max_calls"
        assert report["branches"][0]["output"]["unreadable"] == "names no option: 'maybe'"

    def test_a_reply_that_does_not_fit_the_schema_is_an_unreadable_ballot(
        self, server: StubServer
    ) -> None:
        server.on("", votes("maybe", "yes"))
        graph = create_voting(Voter("v", "Vote."), options=["yes", "no"], model=MODEL)
        report = run(graph, {"input": "x"})["report"]
        assert (report["counts"], report["calls"]["unreadable"]) == ({"yes": 3}, 1)
        assert {branch["status"] for branch in report["branches"]} == {"ok"}

    def test_a_failed_vote_is_no_ballot_and_the_others_decide(self, server: StubServer) -> None:
        server.on("ann", Reply(status=400))
        server.on("", {"ballot": "yes"})
        voters = [Voter(name, f"Vote as {name}.") for name in ("ann", "bob", "cid")]
        graph = create_voting(voters, options=["yes", "no"], model=MODEL)
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["counts"]) == ("yes", {"yes": 2})
        assert [branch["status"] for branch in state["report"]["branches"]] == ["error", "ok", "ok"]

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_if_all_votes_fail_the_run_fails(self, server: StubServer, mode: str) -> None:
        server.on("", Reply(status=401))
        graph = create_voting(Voter("v", "Vote."), options=["yes", "no"], model=MODEL)
        with pytest.raises(BranchFailedError, match=r"All 3 votes failed.*refused the API key"):
            run(graph, {"input": "x"}, mode)


class TestTextFallback:
    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_a_model_without_structured_output_votes_in_text(self, mode: str) -> None:
        model = TextModel(replies={"ann": "Answer: **Safe**", "bob": "unsafe!", "cid": "safe"})
        voters = [Voter(name, f"Vote as {name}.") for name in ("ann", "bob", "cid")]
        graph = create_voting(voters, options=["safe", "unsafe"], model=model, stop="fixed_3")
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], state["report"]["counts"]) == ("safe", {"safe": 2, "unsafe": 1})


class TestReport:
    def test_the_report_says_how_the_decision_came_about(self, server: StubServer) -> None:
        server.on("", votes("yes", "no", "yes", "yes", "yes"))
        graph: Graph = create_voting(Voter("v", "Vote."), options=["yes", "no"], model=MODEL)
        report = run(graph, {"input": "x"})["report"]
        own = {key: report[key] for key in report.keys() - {"branches", "usage", "seconds"}}
        (dissent,) = own.pop("dissent")
        assert own == {
            "pattern": "voting",
            "voters": ["v"],
            "decision": "yes",
            "decided": True,
            "tied": [],
            "counts": {"yes": 4, "no": 1},
            "lead": 3,
            "agreement": 0.8,
            "posterior": 0.8906,
            "threshold": 4,
            "stopped_by": "stop",
            "rounds": 2,
            "calls": {"started": 5, "readable": 5, "unreadable": 0, "cancelled": 0},
        }
        assert (dissent["voter"], dissent["ballot"]) == ("v", "no")
        assert report["branches"][dissent["index"]]["output"]["ballot"] == "no"
        assert report["usage"]["calls"] == 5
        assert report["usage"]["output_tokens"] == sum(r.generated for r in server.requests)


@pytest.mark.parametrize(
    ("options", "threshold"),
    [
        ({"stop": "fixed_5"}, None),  # it is the number of ballots that ends it
        ({"stop": "ahead_by_2", "rule": "plurality"}, 3),
        ({"stop": "first_to_2"}, 2),
        ({"stop": "settled", "rule": "any"}, None),  # one for a, all for b
        ({"stop": "settled", "rule": "at_least_2"}, None),
    ],
)
def test_the_threshold_is_that_of_any_label(options: dict[str, Any], threshold: int | None) -> None:
    voters = [Voter(name, run=lambda text, name=name: text[int(name)]) for name in "01234"]
    graph = create_voting(voters, options=["a", "b"], rounds="all_at_once", **options)
    assert run(graph, {"input": "abaaa"})["report"]["threshold"] == threshold
