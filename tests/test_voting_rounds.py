"""How many calls a vote makes, when, and which of them it ends early."""

import random
from collections.abc import Mapping
from typing import Any

import pytest
from drive import MODEL, Graph, in_background, run, statuses
from stub_server import Reply, StubServer

from langgraph_parallel import Voter, ahead_by, create_voting, majority, settled

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
NAMES = ["ann", "bob", "cid", "dan", "eve"]


def sequence(server: StubServer, letters: str) -> None:
    """Let the n-th request vote for the n-th letter."""
    server.on("", lambda request: {"ballot": letters[request.seen]})


def sampled(**options: Any) -> Graph:
    return create_voting(Voter("v", "Vote."), options=["a", "b", "c"], model=MODEL, **options)


def panel(**options: Any) -> Graph:
    voters = [Voter(name, f"Vote as {name}.") for name in NAMES]
    return create_voting(voters, options=["a", "b"], model=MODEL, **options)


class TestCalls:
    @BOTH
    @pytest.mark.parametrize(
        ("letters", "options", "rounds"),
        [
            ("aaa", {}, [3]),
            ("baaaa", {}, [3, 2]),
            ("abaaa", {}, [3, 2]),
            ("abcaaa", {}, [3, 3]),
            ("ababaaa", {}, [3, 2, 2]),
            ("aa", {"stop": "ahead_by_2"}, [2]),
            ("abaa", {"stop": "ahead_by_2"}, [2, 2]),
            ("abc", {"stop": "fixed_3"}, [3]),
            ("abababababababa", {}, [3, 2, 2, 2, 2, 2, 2]),
            ("ababa", {"max_votes": 5}, [3, 2]),
            ("aaa", {"stop": "settled", "max_votes": 5}, [3]),
            ("abaa", {"stop": "settled", "max_votes": 5}, [3, 1]),
            ("a", {"stop": "ahead_by_1"}, [1]),
        ],
    )
    def test_rounds_make_exactly_the_calls_that_asking_one_by_one_would(
        self,
        server: StubServer,
        letters: str,
        options: dict[str, Any],
        rounds: list[int],
        mode: str,
    ) -> None:
        sequence(server, letters)
        report = run(sampled(**options), {"input": "x"}, mode)["report"]
        assert len(server.requests) == len(letters) == sum(rounds)
        assert (report["rounds"], report["calls"]["started"]) == (len(rounds), len(letters))
        assert report["decision"] == "a"

    def test_the_calls_of_a_round_are_in_flight_together(self, server: StubServer) -> None:
        server.on(lambda request: request.seen < 3, Reply({"ballot": "a"}, gate="first"))
        server.on("", Reply({"ballot": "b"}, gate="second"))
        running = in_background(lambda: run(sampled(stop=ahead_by(5), max_votes=8), {"input": "x"}))
        server.wait_until(lambda log: log.waiting("first") == 3)
        server.wait_until(lambda log: log.waiting("second") == 2)
        server.open("first")
        server.open("second")
        assert running.result(5)["report"]["rounds"] == 2

    @BOTH
    @pytest.mark.parametrize(
        ("letters", "rounds", "counts"),
        [
            ("aaa", [3], {"a": 3}),
            ("aabaaa", [3, 3], {"a": 4, "b": 1}),
            ("aababbbbbbbb", [3, 3, 6], {"a": 3, "b": 6}),
        ],
    )
    def test_doubling_asks_as_many_again_and_counts_no_ballot_after_the_stop(
        self,
        server: StubServer,
        letters: str,
        rounds: list[int],
        counts: dict[str, int],
        mode: str,
    ) -> None:
        sequence(server, letters)
        report = run(sampled(rounds="doubling", max_votes=13), {"input": "x"}, mode)["report"]
        assert report["rounds"] == len(rounds)
        assert len(server.requests) == sum(rounds)
        assert report["counts"] == counts

    def test_a_stop_of_your_own_gets_rounds_without_waste(self, server: StubServer) -> None:
        def first_to_four(counts: Mapping[str, int], n: int, cap: int) -> bool:
            return max(counts.values(), default=0) >= 4

        sequence(server, "aabbaa")
        report = run(sampled(stop=first_to_four), {"input": "x"})["report"]
        assert (len(server.requests), report["rounds"]) == (6, 2)

    def test_a_panel_is_asked_no_further_than_its_majority(self, server: StubServer) -> None:
        server.on("", {"ballot": "a"})
        state = run(panel(rounds="lossless"), {"input": "x"})
        assert list(statuses(state)) == NAMES[:3]
        assert (state["output"], len(server.requests)) == ("a", 3)

    def test_a_panel_is_asked_each_voter_once(self, server: StubServer) -> None:
        server.on(lambda request: "eve" in request.text or "bob" in request.text, {"ballot": "b"})
        server.on("cid", {"ballot": "b"})
        server.on("", {"ballot": "a"})
        state = run(panel(), {"input": "x"})
        assert sorted(record.request.text.split()[2] for record in server.requests) == [
            f"{name}." for name in NAMES
        ]
        assert state["output"] == "b"


class TestEarlyEnd:
    @BOTH
    def test_when_all_are_asked_at_once_those_that_cannot_matter_are_closed(
        self, server: StubServer, mode: str
    ) -> None:
        server.on(
            lambda request: "bob" in request.text or "dan" in request.text, Reply("", gate="x")
        )
        server.on("", {"ballot": "a"})
        state = run(panel(rounds="all_at_once"), {"input": "x"}, mode)
        assert state["output"] == "a"
        assert statuses(state) == {
            "ann": "ok",
            "bob": "cancelled",
            "cid": "ok",
            "dan": "cancelled",
            "eve": "ok",
        }
        server.wait_until(lambda log: log.open_requests == 0)
        closed = [record for record in server.requests if record.status == "client_closed"]
        assert {record.request.text.split()[2] for record in closed} <= {"bob.", "dan."}
        report = state["report"]
        assert report["calls"] == {"started": 5, "readable": 3, "unreadable": 0, "cancelled": 2}
        assert report["branches"][1]["error"] == "No longer needed."
        assert report["usage"]["cancelled"]["calls"] == len(closed)

    @BOTH
    def test_a_stop_that_goes_by_index_waits_for_the_first_however_many_agree(
        self, server: StubServer, mode: str
    ) -> None:
        server.on("ann", Reply({"ballot": "b"}, gate="ann"))
        server.on("eve", Reply({"ballot": "b"}, gate="eve"))
        server.on("", {"ballot": "a"})
        graph = panel(rounds="all_at_once", stop="ahead_by_2", rule="plurality")
        running = in_background(lambda: run(graph, {"input": "x"}, mode))
        server.wait_until(lambda log: len(log.requests) == 5 and log.open_requests == 2)
        assert not running.done()
        server.open("ann")  # b a a a: only now is a label two ahead, at the fourth ballot
        state = running.result(5)
        assert statuses(state)["eve"] == "cancelled"
        assert state["report"]["counts"] == {"b": 1, "a": 3}

    @pytest.mark.parametrize("late", NAMES)
    def test_the_decision_does_not_hang_on_who_is_slow(self, server: StubServer, late: str) -> None:
        first_two = {"ann", "bob"}
        for name in NAMES:
            vote = {"ballot": "a" if name in first_two else "b"}
            server.on(name, Reply(vote, gate="late" if name == late else None))
        graph = panel(rounds="all_at_once", stop="ahead_by_2", rule="plurality")
        running = in_background(lambda: run(graph, {"input": "x"}))
        others = 4 if late in first_two else 2
        server.wait_until(
            lambda log: sum(record.status == "done" for record in log.requests) >= others
        )
        server.open("late")
        state = running.result(5)
        assert (state["output"], state["report"]["counts"]) == ("a", {"a": 2})

    @BOTH
    @pytest.mark.parametrize("seed", range(8))
    def test_the_decision_is_that_of_all_ballots_in_whatever_order_they_come(
        self, server: StubServer, seed: int, mode: str
    ) -> None:
        chance = random.Random(seed)
        ballots = {name: chance.choice("ab") for name in NAMES}
        for name, ballot in ballots.items():
            server.on(name, Reply({"ballot": ballot}, gate=name))
        running = in_background(lambda: run(panel(), {"input": "x"}, mode))
        server.wait_until(lambda log: len(log.requests) == len(NAMES))
        for name in chance.sample(NAMES, len(NAMES)):
            server.open(name)
        expected = max("ab", key=list(ballots.values()).count)
        assert running.result(10)["output"] == expected

    def test_settled_ends_a_vote_at_the_ballots_that_are_in_whichever_they_are(
        self, server: StubServer
    ) -> None:
        server.on("ann", Reply({"ballot": "b"}, gate="never"))
        server.on("", {"ballot": "a"})
        graph = panel(
            rounds="all_at_once", rule=majority(), stop=settled(majority(), ["a", "b"], 5)
        )
        state = run(graph, {"input": "x"})
        assert (state["output"], statuses(state)["ann"]) == ("a", "cancelled")
