"""Nine votes, by hand, with LangGraph, and with this library."""

import asyncio
import operator
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from comparison.sections import chat_model
from langgraph_parallel import Voter, create_voting

VOTERS, MAJORITY, FIRST = 9, 5, 3
QUESTION = "x"
Contender = Callable[[str, int], Awaitable[str]]
"""Gives the decision for a base URL and the ballots of one label that decide."""


def prompt(voter: int) -> str:
    """Give the prompt of a voter."""
    return f"You are {voter}. yes or no?"


def _asked(url: str) -> list["asyncio.Future[Any]"]:
    model = chat_model(url)
    messages = [[("system", prompt(voter)), ("user", QUESTION)] for voter in range(VOTERS)]
    return [asyncio.ensure_future(model.ainvoke(one)) for one in messages]


async def gathered(url: str, enough: int) -> str:
    """All ballots in one `asyncio.gather`, then a count."""
    replies = await asyncio.gather(*_asked(url))
    return Counter(str(reply.text) for reply in replies).most_common(1)[0][0]


async def by_arrival(url: str, enough: int) -> str:
    """Ballots counted as they come; when a label has enough, the others are cancelled."""
    tasks, counts = _asked(url), Counter[str]()
    try:
        for done in asyncio.as_completed(tasks):
            label = (await done).text
            counts[label] += 1
            if counts[label] == enough:
                break
    finally:
        for task in tasks:
            task.cancel()
    return counts.most_common(1)[0][0]


class State(TypedDict):
    """The state of the map-reduce graph."""

    input: str
    ballots: Annotated[list[str], operator.add]
    decision: str


async def send(url: str, enough: int) -> str:
    """LangGraph's `Send` and `operator.add`, then a node that counts."""
    model = chat_model(url)

    async def vote(task: dict[str, str]) -> dict[str, list[str]]:
        reply = await model.ainvoke([("system", task["prompt"]), ("user", QUESTION)])
        return {"ballots": [reply.text]}

    def fan_out(_: State) -> list[Send]:
        return [Send("vote", {"prompt": prompt(voter)}) for voter in range(VOTERS)]

    def count(state: State) -> dict[str, str]:
        return {"decision": Counter(state["ballots"]).most_common(1)[0][0]}

    graph: Any = StateGraph(State)
    graph.add_node("vote", vote)
    graph.add_node("count", count)
    graph.add_conditional_edges(START, fan_out, ["vote"])
    graph.add_edge("vote", "count")
    graph.add_edge("count", END)
    result = await graph.compile().ainvoke({"input": QUESTION})
    return str(result["decision"])


async def ours(url: str, enough: int) -> str:
    """`create_voting` with a panel, whose ballots are counted in order of index."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="stub")
    panel = [Voter(f"v{voter}", prompt(voter)) for voter in range(VOTERS)]
    graph = create_voting(
        panel,
        model="openai:stub-model",
        options=["yes", "no"],
        rule="plurality",
        stop="settled" if enough == MAJORITY else f"first_to_{enough}",
    )
    return str((await graph.ainvoke({"input": QUESTION}))["output"])


CONTENDERS: dict[str, Contender] = {
    "by hand: gather": gathered,
    "by hand: as_completed": by_arrival,
    "LangGraph: Send": send,
    "langgraph-parallel": ours,
}
