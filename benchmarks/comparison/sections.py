"""Three sections of one task, by hand, with LangChain, with LangGraph, and with this library."""

import asyncio
import operator
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, cast

import openai
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Overwrite, RetryPolicy, Send
from pydantic import SecretStr
from typing_extensions import TypedDict

from langgraph_parallel import BranchFailedError, Section, create_sectioning

PROMPTS = {"a": "Section a.", "b": "Section b.", "c": "Section c."}
QUESTION = "x"
THREAD = RunnableConfig(configurable={"thread_id": "1"})
Graph = CompiledStateGraph[Any, Any, Any, Any]


def chat_model(url: str) -> ChatOpenAI:
    """Make the chat model of all contenders but this library, which makes its own of this class."""
    return ChatOpenAI(model="stub-model", base_url=url, api_key=SecretStr("stub"))


@dataclass
class Contender:
    """One way of running the sections.

    Attributes:
        run: Makes what runs them once, for a base URL, and gives the texts that its caller has:
            those of the return value, or of the error and state.
        resume: The same in two tries; the second goes on where the first has failed.
        nested: Runs them twice on one thread inside a graph that has the same key of results, and
            gives what is in that key.
    """

    run: Callable[[str], Awaitable[list[str]]]
    resume: Callable[[str], Awaitable[Any]] | None = None
    nested: Callable[[str], Awaitable[list[Any]]] | None = None


async def _ask(model: ChatOpenAI, prompt: str) -> str:
    return (await model.ainvoke([("system", prompt), ("user", QUESTION)])).text


async def _gather(url: str) -> list[str]:
    model = chat_model(url)
    try:
        return await asyncio.gather(*(_ask(model, prompt) for prompt in PROMPTS.values()))
    except Exception:
        return []


async def _gather_exceptions(url: str) -> list[str]:
    model = chat_model(url)
    asked = (_ask(model, prompt) for prompt in PROMPTS.values())
    replies = await asyncio.gather(*asked, return_exceptions=True)
    return [reply for reply in replies if isinstance(reply, str)]


async def _again(url: str) -> None:
    for _ in range(2):
        await _gather(url)


def _runnables(url: str, *, retries: bool) -> RunnableParallel[Any]:
    model = chat_model(url)

    def section(prompt: str) -> Any:
        async def ask(_: Any) -> str:
            return await _ask(model, prompt)

        runnable: Any = RunnableLambda(ask)
        # Attempts as LangChain's page on retries has them, without the wait.
        return runnable.with_retry(wait_exponential_jitter=False) if retries else runnable

    return RunnableParallel({name: section(prompt) for name, prompt in PROMPTS.items()})


async def _runnable_parallel(url: str, *, retries: bool = False) -> list[str]:
    try:
        return list((await _runnables(url, retries=retries).ainvoke({})).values())
    except Exception:
        return []


class State(TypedDict):
    """The state of the graph in LangGraph's page on `Send`."""

    input: str
    results: Annotated[list[str], operator.add]


def send_graph(model: ChatOpenAI, retry: RetryPolicy | None = None, **options: Any) -> Graph:
    """Make the map-reduce graph of LangGraph's page on `Send`."""

    async def section(task: dict[str, str]) -> dict[str, list[str]]:
        return {"results": [await _ask(model, task["prompt"])]}

    def fan_out(_: State) -> list[Send]:
        return [Send("section", {"prompt": prompt}) for prompt in PROMPTS.values()]

    graph: Any = StateGraph(State)
    graph.add_node("section", section, retry_policy=retry)
    graph.add_conditional_edges(START, fan_out, ["section"])
    graph.add_edge("section", END)
    compiled: Graph = graph.compile(**options)
    return compiled


async def _send(url: str, retry: RetryPolicy | None = None) -> list[str]:
    try:
        result = await send_graph(chat_model(url), retry).ainvoke({"input": QUESTION})
    except Exception:
        return []
    return list(result["results"])


async def _send_kept(url: str) -> list[str]:
    graph = send_graph(chat_model(url), checkpointer=InMemorySaver())
    try:
        result = await graph.ainvoke({"input": QUESTION}, THREAD)
    except Exception:
        tasks = (await graph.aget_state(THREAD)).tasks
        return [text for task in tasks for text in (task.result or {}).get("results", [])]
    return list(result["results"])


async def _send_resume(url: str) -> None:
    graph = send_graph(chat_model(url), checkpointer=InMemorySaver())
    for given in ({"input": QUESTION}, None):
        with suppress(openai.APIError):
            await graph.ainvoke(given, THREAD)


async def _two_turns(graph: Graph) -> list[Any]:
    await graph.ainvoke({"input": QUESTION}, THREAD)
    return list((await graph.ainvoke({"input": QUESTION}, THREAD))["results"])


async def _send_nested(url: str) -> list[Any]:
    around: Any = StateGraph(State)
    around.add_node("sections", send_graph(chat_model(url)))
    around.add_edge(START, "sections")
    return await _two_turns(around.compile(checkpointer=InMemorySaver()))


async def _send_nested_with_care(url: str) -> list[Any]:
    inner = send_graph(chat_model(url))

    async def sections(state: State) -> dict[str, Any]:
        result = await inner.ainvoke({"input": state["input"]})
        return {"results": Overwrite(result["results"])}

    around: Any = StateGraph(State)
    around.add_node("sections", sections)
    around.add_edge(START, "sections")
    return await _two_turns(around.compile(checkpointer=InMemorySaver()))


def our_graph(url: str, **options: Any) -> Graph:
    """Make this library's graph."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="stub")
    sections = [Section(name, prompt) for name, prompt in PROMPTS.items()]
    return create_sectioning(sections, **cast("Any", {"model": "openai:stub-model", **options}))


async def _ours(url: str, **options: Any) -> list[str]:
    try:
        report = (await our_graph(url, **options).ainvoke({"input": QUESTION}))["report"]
    except BranchFailedError as error:
        report = error.report
    return [branch["output"] for branch in report["branches"] if branch["status"] == "ok"]


async def _ours_own_model(url: str) -> list[str]:
    return await _ours(url, model=chat_model(url))


async def _ours_resume(url: str) -> None:
    graph = our_graph(url, checkpointer=InMemorySaver())
    for given in ({"input": QUESTION}, None):
        with suppress(BranchFailedError):
            await graph.ainvoke(given, THREAD)


class PlainState(TypedDict):
    """The same state without a reducer, which this library's parents need not have."""

    input: str
    results: list[str]


async def _ours_nested(url: str, state: Any = PlainState) -> list[Any]:
    inner = our_graph(url, output_key="results", aggregate=_texts)
    around: Any = StateGraph(state)
    around.add_node("sections", inner)
    around.add_edge(START, "sections")
    return await _two_turns(around.compile(checkpointer=InMemorySaver()))


async def _ours_nested_with_add(url: str) -> list[Any]:
    return await _ours_nested(url, State)


def _texts(results: Any) -> list[str]:
    return [result.output for result in results]


async def _with_retry(url: str) -> list[str]:
    return await _runnable_parallel(url, retries=True)


async def _send_with_retry(url: str) -> list[str]:
    return await _send(url, RetryPolicy(initial_interval=0.01))


CONTENDERS = {
    "by hand: gather": Contender(_gather, _again),
    "by hand: gather, return_exceptions": Contender(_gather_exceptions),
    "LangChain: RunnableParallel": Contender(_runnable_parallel),
    "LangChain: RunnableParallel, with_retry": Contender(_with_retry),
    "LangGraph: Send": Contender(_send, nested=_send_nested),
    "LangGraph: Send, checkpointer": Contender(_send_kept, _send_resume, _send_nested),
    "LangGraph: Send, RetryPolicy": Contender(_send_with_retry),
    "LangGraph: Send, Overwrite": Contender(_send, nested=_send_nested_with_care),
    "langgraph-parallel": Contender(_ours, _ours_resume, _ours_nested),
    "langgraph-parallel, operator.add": Contender(_ours, nested=_ours_nested_with_add),
    "langgraph-parallel, own ChatOpenAI": Contender(_ours_own_model),
}
