"""How the builders put nodes into a `StateGraph` and compile it."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.cache.base import BaseCache
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.store.base import BaseStore
from langgraph.types import All, Checkpointer
from typing_extensions import TypedDict

from langgraph_parallel.errors import SetupError
from langgraph_parallel.graphs.closing import ClosingGraph
from langgraph_parallel.nodes.branch import Branch
from langgraph_parallel.nodes.cache import CACHE
from langgraph_parallel.nodes.calls import is_async
from langgraph_parallel.nodes.limits import NODE_POOL
from langgraph_parallel.nodes.models import ModelLike, check_model
from langgraph_parallel.nodes.node import Action, Node

EXECUTE_IN = "execute_in"
"""Key of the node metadata in which Temporal's plugin is told where a node runs."""

NodeMetadata = Mapping[str, Any] | None
"""Metadata of every node of a graph; `"execute_in"` is where Temporal's plugin is to run it."""


class CompileOptions(TypedDict, total=False):
    """The options of `StateGraph.compile`, each of which may be left out."""

    checkpointer: Checkpointer
    """Keeps the state of a run, so that `resume` does not run finished branches again."""
    cache: BaseCache[Any] | None
    """Keeps the replies to prompts, so that the same prompt is not paid for again."""
    store: BaseStore | None
    """LangGraph's store, which nodes and functions share over all threads."""
    interrupt_before: All | list[str] | None
    """Nodes before which a run waits for a person, or `"*"` for all."""
    interrupt_after: All | list[str] | None
    """Nodes after which a run waits for a person, or `"*"` for all."""
    debug: bool
    """Whether LangGraph prints what it does."""
    name: str | None
    """Name of the graph, in traces and in graphs around it; that of the pattern by default."""


class PatternGraph(StateGraph[Any, Any, Any, Any]):
    """A `StateGraph` with the nodes of a pattern.

    Its compiled graph has what the nodes need in its config.
    """

    def __init__(
        self, schemas: tuple[type, type, type], context: type[Any] | None, metadata: NodeMetadata
    ) -> None:
        """Make a graph without nodes.

        Args:
            schemas: State, input and output.
            context: Class of the run's context.
            metadata: Metadata of every node.
        """
        state, given, output = schemas
        super().__init__(state, context, input_schema=given, output_schema=output)
        self.metadata = dict(metadata or {})
        self.inside: dict[str, Pregel[Any, Any, Any, Any]] = {}
        """The compiled graphs that nodes run, by the node's name."""

    @property
    def is_bare(self) -> bool:
        """Whether the nodes are the bare async methods that Temporal's plugin can run."""
        return EXECUTE_IN in self.metadata

    def compile(self, *args: Any, **options: Any) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Compile the graph, with the options of `StateGraph.compile`."""
        graph = super().compile(*args, **options)
        graph.__class__ = ClosingGraph
        for name, inside in self.inside.items():
            graph.nodes[name].subgraphs = [inside]  # so that LangGraph draws it and shows its state
        cache = {} if graph.cache is None else {CACHE: graph.cache}
        return graph.with_config(RunnableConfig(max_concurrency=NODE_POOL, configurable=cache))


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


def check_portable(
    metadata: NodeMetadata, model: ModelLike, branches: Sequence[Branch], function: Any = None
) -> None:
    """Check that a graph whose nodes another engine runs can be routed there.

    Args:
        metadata: Metadata of every node.
        model: The pattern's model.
        branches: The branches that are known by now.
        function: What makes the branches at run time, if anything does.

    Raises:
        SetupError: The router would have to look for a model, or start a thread.
    """
    if EXECUTE_IN not in (metadata or {}):
        return
    if model is None and any(b.prompt is not None and b.model is None for b in branches):
        raise SetupError(
            "A model must be named where Temporal runs the graph: its workflows cannot look for "
            "one. Give model=, as in 'openai:gpt-4.1-mini'."
        )
    if function is not None and not is_async(function):
        raise SetupError(
            f"The function {function!r} makes sections in a thread, and Temporal's workflows "
            "cannot start one. Give an async function."
        )


def add_node(graph: PatternGraph, name: str, action: Action, run: Any = None) -> None:
    """Add an async action as a node for sync and async runs.

    Args:
        graph: The graph.
        name: The node's name.
        action: A bound method of (state, config, runtime); what runs branches gets the payload of
            a `Send` as its state.
        run: What the node's branch runs, if it is a `run` of the user's.
    """
    if isinstance(run, Pregel):
        graph.inside[name] = run
    node: Any = action if graph.is_bare else Node(action, name)
    graph.add_node(name, node, metadata=graph.metadata)


def add_router(graph: PatternGraph, source: str, action: Action, targets: Sequence[str]) -> None:
    """Add an async action as the router behind a node.

    Args:
        graph: The graph.
        source: The node.
        action: A bound method that gives a node's name or a list of `Send`.
        targets: All nodes that it can lead to, so that drawings show them.
    """
    router = action if graph.is_bare else Node(action, f"{source}_router")
    graph.add_conditional_edges(source, router, list(targets))


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
    return graph.compile(**named)
