"""Servers that take a schema and answer in words: votes are read from the words."""

from typing import Any

import pytest
from drive import MODEL, run
from pydantic import BaseModel
from stub_server import StubServer

from langgraph_parallel import UndecidedError, Voter, create_voting

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


def vote(server: StubServer, text: str, mode: str = "invoke", **options: Any) -> Any:
    server.on("", text)
    options = {"options": ["safe", "unsafe"], **options}
    voter = Voter("v", "Is it safe?")
    graph = create_voting(voter, model=MODEL, max_votes=3, **options)
    return run(graph, {"input": "x"}, mode)


@BOTH
@pytest.mark.parametrize("text", ["safe", "Safe.", "**safe**", " safe\n"])
def test_a_label_in_words_is_a_ballot(server: StubServer, text: str, mode: str) -> None:
    state = vote(server, text, mode)
    assert (state["output"], state["report"]["calls"]["unreadable"]) == ("safe", 0)


def test_a_number_in_words_is_a_ballot(server: StubServer) -> None:
    state = vote(server, "7", options=float, rule="median", stop="fixed_3")
    assert state["output"] == 7


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("It is hard to say.", "One ballot names no option: 'It is hard to say.'"),
        ('{"reason": "safe"', "One ballot could not be read: "),
        ('```json\n{"reason": "safe', "One ballot could not be read: "),
        ('{"ballot": "perhaps"}', "One ballot could not be read: "),
    ],
)
def test_what_is_no_label_is_not_read_as_one(server: StubServer, reply: str, reason: str) -> None:
    with pytest.raises(UndecidedError) as caught:
        vote(server, reply)
    assert reason in str(caught.value)


def test_words_for_a_voters_own_schema_are_no_ballot(server: StubServer) -> None:
    class Finding(BaseModel):
        ballot: str
        line: int

    server.on("", "safe")
    voter = Voter("v", "Is it safe?", schema=Finding)
    graph = create_voting(voter, options=["safe", "unsafe"], model=MODEL, max_votes=3)
    with pytest.raises(UndecidedError, match="could not be read"):
        graph.invoke({"input": "x"})
