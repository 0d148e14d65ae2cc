"""How the builders put nodes into a `StateGraph` and compile it."""

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.cache.base import BaseCache
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.store.base import BaseStore
from langgraph.types import All, Checkpointer
from typing_extensions import TypedDict

from langgraph_parallel.errors import SetupError
from langgraph_parallel.graphs.closing import PatternGraph
from langgraph_parallel.nodes.branch import Branch
from langgraph_parallel.nodes.limits import NODE_POOL
from langgraph_parallel.nodes.models import ModelLike, check_model
from langgraph_parallel.nodes.node import Action, Node


class CompileOptions(TypedDict, total=False):
    """The options of `StateGraph.compile`."""

    checkpointer: Checkpointer
    cache: BaseCache[Any] | None
    store: BaseStore | None
    interrupt_before: All | list[str] | None
    interrupt_after: All | list[str] | None
    debug: bool
    name: str | None


def check_models(model: ModelLike, branches: Sequence[Branch]) -> None:
    """Check the pattern's model and those of its branches when the graph is built.

    Args:
        model: The pattern's model.
        branches: The branches that are known by now.

    Raises:
        SetupError: A model is of no known kind, or a single branch was given instead of a list.
        ModelUnavailableError: A model cannot be used on this machine.
    """
    if isinstance(branches, Branch):
        raise SetupError(f"{branches!r} is a single branch. Give a list of them.")
    for used in [model, *(branch.model for branch in branches if isinstance(branch, Branch))]:
        check_model(used)


def add_node(graph: StateGraph[Any, Any, Any, Any], name: str, action: Action) -> None:
    """Add an async action as a node for sync and async runs.

    Args:
        graph: The graph.
        name: The node's name.
        action: A bound method of (state, config, runtime); what runs branches gets the payload of
            a `Send` as its state.
    """
    graph.add_node(name, Node(action, name))


def add_router(
    graph: StateGraph[Any, Any, Any, Any], source: str, action: Action, targets: Sequence[str]
) -> None:
    """Add an async action as the router behind a node.

    Args:
        graph: The graph.
        source: The node.
        action: A bound method that gives a node's name or a list of `Send`.
        targets: All nodes that it can lead to, so that drawings show them.
    """
    graph.add_conditional_edges(source, Node(action, f"{source}_router"), list(targets))


def compiled(
    graph: StateGraph[Any, Any, Any, Any], name: str, options: CompileOptions
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Compile a graph.

    Args:
        graph: The graph.
        name: Its name, unless the options have one.
        options: Options of `StateGraph.compile`.
    """
    named: CompileOptions = {"name": name, **options}
    compiled_graph = graph.compile(**named)
    compiled_graph.__class__ = PatternGraph
    return compiled_graph.with_config(RunnableConfig(max_concurrency=NODE_POOL))
