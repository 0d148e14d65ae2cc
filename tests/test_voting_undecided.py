"""What becomes of ties and of no decision: more ballots, a judge, a default, an error."""

from typing import Any

import pytest
from drive import MODEL, Graph, in_background, run, statuses
from stub_server import Reply, StubServer

from langgraph_parallel import (
    BranchFailedError,
    SetupError,
    UndecidedError,
    Voter,
    borda,
    create_voting,
    plurality,
    weighted,
)

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
ABC = ["a", "b", "c"]


def sequence(server: StubServer, letters: str) -> None:
    """Let the n-th vote be for the n-th letter; a dot is no ballot."""
    server.on("Vote.", lambda request: {"ballot": letters[request.seen]})


def sampled(**options: Any) -> Graph:
    return create_voting(Voter("v", "Vote."), options=ABC, model=MODEL, **options)


def panel(*ballots: Any, **options: Any) -> Graph:
    voters = [Voter(f"v{i}", run=lambda _, b=b: b) for i, b in enumerate(ballots)]
    return create_voting(voters, options=ABC, **options)


class TestTies:
    @BOTH
    def test_one_more_vote_is_asked_for_until_the_tie_is_broken(
        self, server: StubServer, mode: str
    ) -> None:
        sequence(server, "abcacbb")  # 1:1:1, then a leads
        graph = sampled(rule=plurality(tie="one_more"), stop="fixed_3", max_votes=3)
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], len(server.requests)) == ("a", 4)
        report = state["report"]
        assert (report["counts"], report["rounds"]) == ({"a": 2, "b": 1, "c": 1}, 2)
        assert report["stopped_by"] == "stop"

    def test_a_tie_that_the_cap_on_calls_leaves_is_undecided(self, server: StubServer) -> None:
        sequence(server, "abcabc")
        rule = plurality(tie="one_more")
        graph = sampled(rule=rule, stop="fixed_3", max_votes=3, max_calls=3)
        with pytest.raises(UndecidedError, match=r"'b': 1, 'c': 1\} from 3 calls"):
            run(graph, {"input": "x"})

    def test_one_more_vote_for_a_panel_is_its_first_voters(self) -> None:
        state = run(panel("b", "a", rule=plurality(tie="one_more")), {"input": "x"})
        names = [branch["name"] for branch in state["report"]["branches"]]
        assert (state["output"], names) == ("b", ["v0", "v1", "v0"])

    @pytest.mark.parametrize(
        ("rule", "ballots"),
        [
            (plurality(tie=["c", "b", "a"]), ["a", "c"]),
            (weighted(tie=["c", "b", "a"]), ["a", "c"]),
            (borda(tie=["c", "b", "a"]), [["a", "c", "b"], ["c", "a", "b"]]),
        ],
    )
    def test_the_most_cautious_label_wins_where_an_order_is_stated(
        self, rule: Any, ballots: list[Any]
    ) -> None:
        assert run(panel(*ballots, rule=rule), {"input": "x"})["output"] == "c"

    @pytest.mark.parametrize("tie", [["a"], ["a", "a"], 3, []])
    @pytest.mark.parametrize("rule", [plurality, weighted, borda])
    def test_an_order_needs_several_labels(self, rule: Any, tie: Any) -> None:
        with pytest.raises(SetupError, match="list of different labels"):
            rule(tie=tie)


class TestMore:
    @BOTH
    def test_more_ballots_are_asked_for_until_there_is_a_decision(
        self, server: StubServer, mode: str
    ) -> None:
        sequence(server, "abcaa")
        graph = sampled(
            rule="majority", stop="fixed_3", max_votes=3, max_calls=9, on_undecided="more"
        )
        state = run(graph, {"input": "x"}, mode)
        assert (state["output"], state["report"]["rounds"], len(server.requests)) == ("a", 3, 5)

    def test_calls_of_a_round_that_are_already_there_are_counted_one_by_one(
        self, server: StubServer
    ) -> None:
        sequence(server, "abccca")
        graph = sampled(
            rule="majority", stop="fixed_3", rounds="all_at_once", max_votes=3, on_undecided="more"
        )
        report = run(graph, {"input": "x"})["report"]
        assert (report["decision"], report["counts"]) == ("c", {"a": 1, "b": 1, "c": 3})

    def test_where_calls_run_out_the_default_holds(self, server: StubServer) -> None:
        sequence(server, "abcabc")
        graph = sampled(
            rule="majority", stop="fixed_3", max_votes=3, on_undecided="more", default="b"
        )
        state = run(graph, {"input": "x"})
        assert (state["output"], state["report"]["decided"]) == ("b", False)
        assert len(server.requests) == 6

    def test_a_panel_is_asked_again_and_its_majority_is_of_all_ballots(self) -> None:
        state = run(panel("a", "b", on_undecided="more", max_calls=3), {"input": "x"})
        assert state["output"] == "a"  # a b a: 2 of 3


JUDGED = "no decision"


class TestJudge:
    @BOTH
    def test_a_judge_decides_what_the_voters_do_not(self, server: StubServer, mode: str) -> None:
        server.on(JUDGED, {"ballot": "b"})
        sequence(server, "abc")
        graph = sampled(rule="majority", stop="fixed_3", max_votes=3, on_undecided="judge")
        state = run(graph, {"input": "the text"}, mode)
        assert (state["output"], len(server.requests)) == ("b", 4)
        report = state["report"]
        assert (report["decided"], report["judged"]) == (True, {"ballot": "b", "reason": None})
        assert (report["calls"]["started"], report["rounds"]) == (3, 1)
        assert [branch["name"] for branch in report["branches"]] == ["v", "v", "v", "judge"]
        assert {d["ballot"] for d in report["dissent"]} == {"a", "c"}

    def test_the_judge_sees_the_question_the_input_and_the_ballots_with_reasons(
        self, server: StubServer
    ) -> None:
        server.on(JUDGED, {"ballot": "a"})
        voters = [
            Voter("ann", "Which letter?"),
            Voter("bob", run=lambda _: {"ballot": "b", "reason": "it is second"}),
        ]
        server.on("Which letter?", {"ballot": "a"})
        graph = create_voting(voters, options=ABC, model=MODEL, on_undecided="judge")
        run(graph, {"input": "the text"})
        text = server.requests[-1].request.text
        for part in ("Which letter?", "the text", "ann: a", "bob: b, because: it is second"):
            assert part in text

    def test_a_judge_of_your_own_may_have_another_model_or_be_a_function(self) -> None:
        seen: list[Any] = []

        def decide(case: dict[str, Any]) -> dict[str, str]:
            seen.append(case)
            return {"ballot": "c", "reason": "third way"}

        judge = Voter("chair", run=decide)
        state = run(panel("a", "b", on_undecided=judge), {"input": "x"})
        assert (state["output"], state["report"]["judged"]["reason"]) == ("c", "third way")
        assert seen == [{"question": "", "about": "x", "ballots": "v0: a\nv1: b"}]

    def test_a_judge_is_not_asked_when_there_is_a_decision(self) -> None:
        def never(_: Any) -> str:
            raise AssertionError

        state = run(panel("a", "a", "b", on_undecided=Voter("j", run=never)), {"input": "x"})
        assert state["output"] == "a"
        assert "judged" not in state["report"]

    @pytest.mark.parametrize("reply", ["maybe", None])
    def test_a_judge_that_cannot_be_read_leaves_it_undecided(self, reply: Any) -> None:
        judge = Voter("j", run=lambda _: reply)
        with pytest.raises(UndecidedError, match="judge's ballot cannot be read"):
            run(panel("a", "b", on_undecided=judge), {"input": "x"})
        state = run(panel("a", "b", on_undecided=judge, default="a"), {"input": "x"})
        assert (state["output"], state["report"]["judged"]) == ("a", None)

    def test_a_judge_of_rankings_names_one_label(self, server: StubServer) -> None:
        server.on(JUDGED, {"ballot": "c"})
        rankings = [["a", "b", "c"], ["b", "a", "c"]]
        rule = borda(tie="undecided")
        graph = panel(*rankings, rule=rule, on_undecided="judge", model=MODEL)
        assert run(graph, {"input": "x"})["output"] == "c"
        assert "exactly one of: a, b, c" in server.requests[0].request.text

    def test_the_judge_has_a_node_of_its_own(self) -> None:
        nodes = panel("a", "b", on_undecided="judge", model=MODEL).get_graph().nodes
        assert "judge" in nodes
        with pytest.raises(SetupError, match="'v0'"):
            panel("a", "b", on_undecided=Voter("v0", run=str))


class TestAdvisers:
    @BOTH
    def test_an_adviser_is_recorded_and_not_counted(self, mode: str) -> None:
        voters = [
            Voter("ann", run=lambda _: "a"),
            Voter("old", run=lambda _: {"ballot": "c", "reason": "habit"}, advisory=True),
            Voter("bob", run=lambda _: "a"),
            Voter("cid", run=lambda _: "b"),
        ]
        state = run(create_voting(voters, options=ABC), {"input": "x"}, mode)
        report = state["report"]
        assert (state["output"], report["counts"].get("c")) == ("a", None)
        assert report["advice"] == [{"index": 0, "voter": "old", "ballot": "c", "reason": "habit"}]
        assert report["calls"]["started"] == 3
        assert [branch["name"] for branch in report["branches"]] == ["old", "ann", "bob", "cid"]

    def test_it_is_asked_once_and_never_cut_off(self, server: StubServer) -> None:
        server.on("Advise.", Reply({"ballot": "c"}, gate="slow"))
        server.on("Vote.", {"ballot": "a"})
        voters = [Voter("v", "Vote."), Voter("old", "Advise.", advisory=True)]
        graph = create_voting(
            voters, options=ABC, model=MODEL, rounds="all_at_once", stop="settled", max_votes=5
        )
        running = in_background(lambda: run(graph, {"input": "x"}))
        server.wait_until(lambda log: log.waiting("slow") == 1)
        server.wait_until(lambda log: log.open_requests == 1)
        server.open("slow")
        state = running.result(10)
        assert statuses(state)["old"] == "ok"
        assert sum("Advise." in record.request.text for record in server.requests) == 1

    def test_a_failing_adviser_changes_nothing(self) -> None:
        def fail(_: str) -> str:
            raise ValueError("no advice")

        voters = [Voter("old", run=fail, advisory=True), Voter("v", run=lambda _: "a")]
        state = run(create_voting(voters, options=ABC), {"input": "x"})
        assert (state["output"], state["report"]["advice"]) == ("a", [])

    def test_advisers_alone_are_no_vote(self) -> None:
        with pytest.raises(SetupError, match="not advisory"):
            create_voting(Voter("old", run=str, advisory=True))

    def test_if_all_counted_votes_fail_advice_does_not_help(self, server: StubServer) -> None:
        server.on("Vote.", Reply(status=401))
        voters = [Voter("old", run=lambda _: "a", advisory=True), Voter("v", "Vote.")]
        with pytest.raises(BranchFailedError, match="All 3 votes failed"):
            run(create_voting(voters, options=ABC, model=MODEL), {"input": "x"})
