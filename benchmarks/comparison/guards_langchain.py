"""Guardrails by hand, with LangGraph and LangChain, and with this library."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from langchain.agents import create_agent
from langchain.agents.middleware import AgentState, before_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from comparison.scene import (
    ANSWER,
    GUARD_TIMEOUT,
    JUDGE,
    QUESTION,
    REFUSAL,
    Case,
    Contender,
    Verdict,
)
from langgraph_parallel import Guard, after_verdict, create_guardrail


def _check(case: Case) -> Callable[[], Awaitable[bool]]:
    judge: Runnable[Any, Any] = case.model().with_structured_output(Verdict)

    async def check() -> bool:
        verdict: Verdict = await judge.ainvoke([("system", JUDGE), ("user", QUESTION)])
        return verdict.tripped

    return check


def _agent(case: Case, tool: Any, *middleware: Any) -> Any:
    """Make LangChain's agent, which has the tool if the case asks for it."""
    return create_agent(
        case.model(),
        [tool] if case.has_tool else [],
        system_prompt=ANSWER,
        middleware=middleware,
    )


async def _tokens(agent: Any) -> AsyncIterator[str]:
    asked = {"messages": [("user", QUESTION)]}
    async for chunk, about in agent.astream(asked, stream_mode="messages"):
        if about["langgraph_node"] == "model" and isinstance(chunk, AIMessageChunk) and chunk.text:
            yield chunk.text


async def gathered(case: Case) -> AsyncIterator[str]:
    """Guard and whole answer in one `asyncio.gather`; nothing is streamed."""
    agent = _agent(case, case.pay)
    is_tripped, answer = await asyncio.gather(
        _check(case)(), agent.ainvoke({"messages": [("user", QUESTION)]})
    )
    yield REFUSAL if is_tripped else answer["messages"][-1].text


async def streamed(case: Case) -> AsyncIterator[str]:
    """The answer streams while the guard runs in a task, and ends when that one trips."""
    guard = asyncio.ensure_future(_check(case)())
    tokens = _tokens(_agent(case, case.pay))
    try:
        async for token in tokens:
            if guard.done() and guard.result():
                break
            yield token
        if await guard:
            yield REFUSAL
    finally:
        guard.cancel()
        await tokens.aclose()  # type: ignore[attr-defined]


async def held(case: Case) -> AsyncIterator[str]:
    """By hand with care: a task writes into a queue that is read from the verdict on."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()

    async def write() -> None:
        try:
            async for token in _tokens(_agent(case, case.pay)):
                await pieces.put(token)
        finally:
            await pieces.put(None)

    writing = asyncio.ensure_future(write())
    try:
        if await _check(case)():
            yield REFUSAL
            return
        while (piece := await pieces.get()) is not None:
            yield piece
        await writing
    finally:
        writing.cancel()


async def two_nodes(case: Case) -> AsyncIterator[str]:
    """Guard and answer as two nodes of a LangGraph superstep, streamed by `messages`."""

    class State(TypedDict):
        is_tripped: bool
        answer: str
        output: str

    check = _check(case)
    agent = _agent(case, case.pay)

    async def guard(_: State) -> dict[str, Any]:
        return {"is_tripped": await check()}

    async def respond(_: State) -> dict[str, Any]:
        reply = await agent.ainvoke({"messages": [("user", QUESTION)]})
        return {"answer": reply["messages"][-1].text}

    async def join(state: State) -> dict[str, Any]:
        return {"output": REFUSAL if state["is_tripped"] else state["answer"]}

    graph: Any = StateGraph(State)
    graph.add_node("guard", guard)
    graph.add_node("respond", respond)
    graph.add_node("join", join)
    graph.add_edge(START, "guard")
    graph.add_edge(START, "respond")
    graph.add_edge(["guard", "respond"], "join")
    graph.add_edge("join", END)
    modes: Any = ["messages", "updates"]
    stream: Any = graph.compile().astream({}, stream_mode=modes, subgraphs=True)
    async for place, mode, item in stream:
        if mode == "updates" and "join" in item and item["join"]["output"] == REFUSAL:
            yield REFUSAL
        is_answer = mode == "messages" and any(name.startswith("respond") for name in place)
        if is_answer and isinstance(item[0], AIMessageChunk) and item[0].text:
            yield item[0].text


async def middleware(case: Case) -> AsyncIterator[str]:
    """`create_agent` with a guard in `before_agent`, as LangChain's page on guardrails has it."""
    check = _check(case)

    @before_agent(can_jump_to=["end"])
    async def guard(state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        if await check():
            return {"messages": [AIMessage(REFUSAL)], "jump_to": "end"}
        return None

    is_answered = False
    async for token in _tokens(_agent(case, case.pay, guard)):
        is_answered = True
        yield token
    if not is_answered:
        yield REFUSAL


async def ours(case: Case) -> AsyncIterator[str]:
    """`create_guardrail`, with the tool in `after_verdict` and a deadline for the guard."""
    os.environ.update(OPENAI_BASE_URL=case.url, OPENAI_API_KEY="stub")
    respond = _agent(case, after_verdict(case.pay)) if case.has_tool else ANSWER
    graph = create_guardrail(
        respond,
        [Guard("guard", JUDGE, timeout=GUARD_TIMEOUT)],
        model="openai:stub-model",
        refusal=REFUSAL,
    )
    output, modes = None, cast("Any", ["messages", "values"])
    stream: Any = graph.astream({"input": QUESTION}, stream_mode=modes)
    async for mode, item in stream:
        if mode == "values":
            output = item.get("output")
        elif item[0].text and item[0].text != REFUSAL:
            yield item[0].text
    if output == REFUSAL:
        yield REFUSAL


CONTENDERS: dict[str, Contender] = {
    "by hand: gather, no streaming": gathered,
    "by hand: stream, stop on trip": streamed,
    "by hand, with care: queue": held,
    "LangGraph: two nodes": two_nodes,
    "LangChain: before_agent": middleware,
    "langgraph-parallel": ours,
}
