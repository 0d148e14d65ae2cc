"""Several ballots from one request."""

from typing import Any, Literal

import pytest
from drive import MODEL, Graph, chat_model, run, statuses
from pydantic import BaseModel
from stub_server import Reply, StubServer
from text_model import TextModel

from langgraph_parallel import Voter, best_of, create_voting

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def sampled(**options: Any) -> Graph:
    options = {"options": ["a", "b"], "model": MODEL, "one_request": True, **options}
    return create_voting(Voter("v", "Vote."), **options)


def ballots(letters: str) -> Reply:
    """Deal these ballots out to the choices, whatever the requests."""
    return Reply(samples=[{"ballot": letter} for letter in letters])


def asked(server: StubServer) -> list[int]:
    """Give the number of choices of each request."""
    return [record.request.body.get("n") or 1 for record in server.requests]


class TestRounds:
    @BOTH
    def test_a_round_is_one_request(self, server: StubServer, mode: str) -> None:
        server.on("", ballots("babaaaa"))
        report = run(sampled(), {"input": "x"}, mode)["report"]
        assert asked(server) == [3, 2, 2]
        assert (report["decision"], report["rounds"]) == ("a", 3)
        assert report["counts"] == {"b": 2, "a": 5}
        assert [branch["index"] for branch in report["branches"]] == list(range(7))

    def test_the_prompt_is_billed_once(self, server: StubServer) -> None:
        server.on("", ballots("aaa"))
        together = run(sampled(), {"input": "a long text " * 50})["report"]["usage"]
        apart = run(sampled(one_request=False), {"input": "a long text " * 50})["report"]["usage"]
        assert (together["calls"], apart["calls"]) == (1, 3)
        assert 3 * together["input_tokens"] == apart["input_tokens"]
        assert together["output_tokens"] == apart["output_tokens"]

    def test_it_gives_the_decision_that_single_requests_give(self, server: StubServer) -> None:
        server.on("", ballots("abbabaaabaa"))
        together = run(sampled(), {"input": "x"})["report"]
        apart = run(sampled(one_request=False), {"input": "y"})["report"]
        assert together["counts"] == apart["counts"]
        assert together["rounds"] == apart["rounds"]

    def test_a_rounds_last_single_ballot_is_a_plain_request(self, server: StubServer) -> None:
        server.on("", ballots("abaa"))
        run(sampled(stop="settled", max_votes=5), {"input": "x"})
        assert asked(server) == [3, 1]

    def test_each_voter_of_a_panel_has_requests_of_its_own(self, server: StubServer) -> None:
        server.on("", ballots("aaaa"))
        voters = [Voter(name, f"Vote as {name}.") for name in ("ann", "bob")]
        run(
            create_voting(
                voters,
                options=["a", "b"],
                model=MODEL,
                stop="first_to_4",
                max_votes=7,
                one_request=True,
            ),
            {"input": "x"},
        )
        assert sorted(record.request.text.split()[2] for record in server.requests) == [
            "ann.",
            "bob.",
        ]
        assert asked(server) == [2, 2]


class TestReading:
    def test_unreadable_choices_are_asked_for_again(self, server: StubServer) -> None:
        server.on(
            "", Reply(samples=[{"ballot": "a"}, "nonsense", {"ballot": "a"}, {"ballot": "a"}])
        )
        report = run(sampled(), {"input": "x"})["report"]
        assert asked(server) == [3, 1]
        assert report["calls"] == {"started": 4, "readable": 3, "unreadable": 1, "cancelled": 0}
        assert report["branches"][1]["output"]["unreadable"]

    def test_choices_that_the_server_leaves_out_are_asked_for_again(
        self, server: StubServer
    ) -> None:
        server.on("", Reply({"ballot": "a"}, choices=1))
        report = run(sampled(), {"input": "x"})["report"]
        assert asked(server) == [3, 2, 1]
        assert report["calls"] == {"started": 3, "readable": 3, "unreadable": 0, "cancelled": 0}
        assert report["usage"]["calls"] == 3

    def test_a_server_that_does_not_know_choices_costs_no_ballot(self, server: StubServer) -> None:
        server.on("", Reply({"ballot": "a"}, choices=1))
        report = run(sampled(stop="fixed_9"), {"input": "x"})["report"]
        assert report["counts"] == {"a": 9}

    @pytest.mark.parametrize("most", [1, 4])
    def test_a_servers_bound_on_choices_is_found(self, server: StubServer, most: int) -> None:
        server.on(lambda request: request.n > most, Reply(status=400, error="n is too great"))
        server.on("", ballots("a"))
        report = run(sampled(stop="fixed_9"), {"input": "x"})["report"]
        assert report["counts"] == {"a": 9}
        assert sum(n for n in asked(server) if n <= most) == 9

    def test_free_texts_numbers_and_schemas_of_your_own(self, server: StubServer) -> None:
        class Reasoned(BaseModel):
            ballot: Literal["a", "b"]
            reason: str

        server.on("letter", Reply(samples=["red", "red", "red"]))
        server.on("number", Reply(samples=[{"ballot": 3}, {"ballot": 5}, {"ballot": 4}]))
        server.on("reason", Reply(samples=[{"ballot": "a", "reason": f"r{i}"} for i in range(3)]))
        free = create_voting(Voter("v", "A letter?"), model=MODEL, one_request=True)
        assert run(free, {"input": "x"})["output"] == "red"
        number = create_voting(
            Voter("v", "A number?"),
            options=int,
            rule="median",
            max_votes=3,
            model=MODEL,
            one_request=True,
        )
        assert run(number, {"input": "x"})["output"] == 4
        voter = Voter("v", "With a reason?", schema=Reasoned)
        reasons = create_voting(voter, options=["a", "b"], model=MODEL, one_request=True)
        report = run(reasons, {"input": "x"})["report"]
        assert [b["output"]["reason"] for b in report["branches"]] == ["r0", "r1", "r2"]
        assert asked(server) == [3, 3, 3]

    def test_each_choice_is_scored(self, server: StubServer) -> None:
        server.on("", Reply(samples=["a", "ccc", "bb"]))
        graph = create_voting(
            Voter("v", "Write."), rule=best_of(len), max_votes=3, model=MODEL, one_request=True
        )
        assert run(graph, {"input": "x"})["output"] == "ccc"

    def test_a_request_that_fails_fails_all_its_ballots(self, server: StubServer) -> None:
        server.on(lambda request: request.n == 2, ballots("aa"))
        server.on(lambda request: request.seen == 0, Reply(samples=["a", {"ballot": "a"}, "b"]))
        server.on("", Reply(status=400, error="no"))
        graph = sampled(retries=0)
        report = run(graph, {"input": "x"})["report"]
        assert report["counts"] == {"a": 3}
        assert len(statuses({"report": report})) == 1


class TestWhereItIsUsed:
    def test_all_at_once_asks_apart_so_that_calls_can_be_closed(self, server: StubServer) -> None:
        server.on("", ballots("aaa"))
        run(sampled(rounds="all_at_once", stop="settled", max_votes=3), {"input": "x"})
        assert asked(server) == [1, 1, 1]

    def test_a_chat_model_of_openai_is_asked_together(self, server: StubServer) -> None:
        server.on("", ballots("aaa"))
        run(sampled(model=chat_model(server)), {"input": "x"}, "ainvoke")
        assert asked(server) == [3]

    def test_other_models_are_asked_apart(self) -> None:
        graph = sampled(model=TextModel(replies={"Vote.": "a"}))
        report = run(graph, {"input": "x"})["report"]
        assert (report["decision"], report["calls"]["started"]) == ("a", 3)

    def test_a_run_is_asked_apart(self) -> None:
        graph = create_voting(Voter("v", run=lambda _: "a"), one_request=True)
        assert run(graph, {"input": "x"})["report"]["calls"]["started"] == 3
