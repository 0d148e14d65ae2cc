"""Puts patterns into graphs with another state, into agents as tools, and onto other servers."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.pregel import Pregel
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client

from langgraph_parallel.nodes.calls import from_graph, to_graph
from langgraph_parallel.nodes.prompts import input_text

AnyGraph = Pregel[Any, Any, Any, Any]


def as_node(
    graph: AnyGraph,
    *,
    read: Callable[[Any], Mapping[str, Any]],
    write: Callable[[Any], Mapping[str, Any]],
) -> Runnable[Any, Any]:
    """Make a compiled graph a node of a parent whose state has other keys.

    Args:
        graph: The compiled graph, such as a pattern.
        read: Function from the parent's state to the graph's input.
        write: Function from the graph's output to the update of the parent's state.

    Returns:
        What `add_node` takes. The parent still streams, draws and checkpoints the graph inside.

    Example:
        >>> from langgraph_parallel import Section, create_sectioning
        >>> pattern = create_sectioning([Section("loud", run=str.upper)], aggregate="merge")
        >>> node = as_node(
        ...     pattern,
        ...     read=lambda state: {"input": state["draft"]["text"]},
        ...     write=lambda result: {"reviews": [result["output"]]},
        ... )
        >>> node.invoke({"draft": {"text": "hear"}})
        {'reviews': [{'loud': 'HEAR'}]}
    """
    return RunnableLambda(read) | graph | RunnableLambda(write)


def as_tool(graph: AnyGraph, *, name: str, description: str) -> BaseTool:
    """Make a compiled graph a tool of an agent, with one argument, the text `input`.

    Args:
        graph: The compiled graph, such as a pattern.
        name: The tool's name.
        description: What the agent's model is told of it.

    Returns:
        The tool; it gives the graph's answer as text.

    Example:
        >>> from langgraph_parallel import Section, create_sectioning
        >>> pattern = create_sectioning([Section("loud", run=str.upper)])
        >>> tool = as_tool(pattern, name="shout", description="Says it loudly.")
        >>> print(tool.invoke({"input": "hear"}))
        ## loud
        HEAR
    """

    def call(input: str, config: RunnableConfig) -> str:  # noqa: A002
        return input_text(from_graph(graph, graph.invoke(to_graph(graph, input), config)))

    async def acall(input: str, config: RunnableConfig) -> str:  # noqa: A002
        return input_text(from_graph(graph, await graph.ainvoke(to_graph(graph, input), config)))

    return StructuredTool.from_function(call, acall, name=name, description=description)


def remote_branch(
    name: str,
    *,
    url: str,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    input_key: str = "input",
    output_key: str = "output",
) -> Callable[[Any, RunnableConfig], Awaitable[Any]]:
    """Make a graph on another LangGraph server the `run` of a branch.

    Given to a branch as it is, a `RemoteGraph` would work on the thread of the parent, where
    branches that run side by side mix their states, and in one event loop only. This gives every
    branch a thread of its own, to which it comes back when the parent's run goes on after a crash.

    Args:
        name: Name or id of the graph there.
        url: Address of the server.
        api_key: Its key; by default the one that LangGraph's client finds in the environment.
        headers: Further HTTP headers.
        input_key: Where the branch's input goes; `"messages"` gets text as the user's message.
        output_key: Where the answer is; of `"messages"`, the content of the last one.

    Returns:
        An async function for `run=` of a `Section`, `Voter` or `Guard`.

    Example:
        ```python
        from langgraph_parallel import Section, create_sectioning, remote_branch

        lawyer = remote_branch("lawyer", url="http://localhost:2024")
        review = create_sectioning([Section("law", run=lawyer), Section("tone", "Judge the tone.")])
        ```
    """

    async def call(value: Any, config: RunnableConfig) -> Any:
        if input_key == "messages" and isinstance(value, str):
            value = [{"role": "user", "content": value}]
        own = RunnableConfig(configurable={"thread_id": _own_thread(config)})
        async with await asyncio.to_thread(  # it reads certificates
            get_client, url=url, api_key=api_key, headers=headers
        ) as client:
            state: Any = await RemoteGraph(name, client=client).ainvoke({input_key: value}, own)
        return state["messages"][-1]["content"] if output_key == "messages" else state[output_key]

    return call


def _own_thread(config: RunnableConfig) -> str:
    """Name a thread by the parent's thread and the branch's task, which a resumed run keeps."""
    parts = config.get("configurable", {})
    thread, task = parts.get("thread_id"), parts.get("checkpoint_ns")
    if not thread or not task:
        return str(uuid.uuid4())
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{thread} {task}"))
