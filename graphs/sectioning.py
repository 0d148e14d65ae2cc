"""Sectioning: independent parts of one task, side by side, then one answer."""

from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import Unpack

from langgraph_parallel.aggregators.combine import aggregate_named
from langgraph_parallel.aggregators.types import Aggregate
from langgraph_parallel.graphs.wiring import (
    CompileOptions,
    NodeMetadata,
    PatternGraph,
    add_node,
    add_router,
    check_models,
    check_portable,
    compiled,
)
from langgraph_parallel.nodes.keys import Keys
from langgraph_parallel.nodes.limits import DEFAULT_MAX_CONCURRENCY, Limiter
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.section import SectioningSpec, Sections
from langgraph_parallel.nodes.sectioning import FAN_OUT, REDUCE, SectioningNodes
from langgraph_parallel.nodes.settings import Configure


def build_sectioning(
    sections: Sections,
    *,
    model: ModelLike = None,
    aggregate: str | Aggregate = "join",
    min_success: int | None = None,
    retries: int = 2,
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
    deadline: float | None = None,
    input_key: str = "input",
    output_key: str | None = None,
    input_type: Any = Any,
    context_schema: type[Any] | None = None,
    configure: Configure[SectioningSpec] | None = None,
    node_metadata: NodeMetadata = None,
) -> StateGraph[Any, Any, Any, Any]:
    """Build the uncompiled graph of `create_sectioning`, which says what the other arguments are.

    `node_metadata` is the metadata of every node. With the key `"execute_in"` the nodes are made as
    Temporal's plugin for LangGraph asks for: bare async methods, for async runs only.
    """
    static = [] if callable(sections) else sections
    check_models(model, static)
    check_portable(node_metadata, model, static, sections if callable(sections) else None)
    spec = SectioningSpec(
        sections=sections,
        aggregate=aggregate_named(aggregate) if isinstance(aggregate, str) else aggregate,
        model=model,
        min_success=min_success,
        retries=retries,
    )
    keys = Keys.of(input_key, output_key, input_type)
    limiter = Limiter(max_concurrency, deadline)
    graph = PatternGraph(keys.schemas("sectioning"), context_schema, node_metadata)
    nodes = SectioningNodes(
        spec, keys, limiter, configure, context_schema, goes_back=not graph.is_bare
    )
    add_node(graph, FAN_OUT, nodes.fan_out)
    runs = {section.name: section.run for section in static}
    for name in nodes.branch_nodes:
        add_node(graph, name, nodes.branch, runs.get(name))
        graph.add_edge(name, REDUCE)
    add_node(graph, REDUCE, nodes.reduce)
    graph.add_edge(START, FAN_OUT)
    add_router(graph, FAN_OUT, nodes.route, [*nodes.branch_nodes, *([] if static else [REDUCE])])
    graph.add_edge(REDUCE, END)
    return graph


def create_sectioning(
    sections: Sections,
    *,
    model: ModelLike = None,
    aggregate: str | Aggregate = "join",
    min_success: int | None = None,
    retries: int = 2,
    max_concurrency: int = DEFAULT_MAX_CONCURRENCY,
    deadline: float | None = None,
    input_key: str = "input",
    output_key: str | None = None,
    input_type: Any = Any,
    context_schema: type[Any] | None = None,
    configure: Configure[SectioningSpec] | None = None,
    **compile_options: Unpack[CompileOptions],
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Run independent parts of one task side by side and make one answer of them.

    Each section is a node of its own. `graph.invoke({"input": ...})` gives `output`, the
    aggregate's answer, and `report`, with what each section gave, took and consumed.

    Args:
        sections: A list of `Section`, or a sync or async function from the input to one: a section
            per chunk, file or question. No sections from the function give the aggregate of
            nothing.
        model: Chat model, or model string such as `"openai:gpt-4.1-mini"` or `"local"`, for
            sections without their own; left out, it is found in the environment.
        aggregate: `"join"` (texts under headings), `"merge"` (one dict), `"synthesize"` (one more
            model call), or a sync or async function from a list of `SectionResult`.
        min_success: Sections that must succeed; by default each that is `required`.
        retries: Further tries of a section after an error with which a retry can help.
        max_concurrency: Calls in flight at once, of this graph and all that is nested in it; 16 by
            default. `max_concurrency` in LangGraph's own config bounds a single run further.
        deadline: Seconds that a run may take; what has not ended by then is a `"timeout"` in the
            report. `None` for no limit.
        input_key: State key that is read; `"messages"` reads a conversation.
        output_key: State key that is written; `"output"`, or `"messages"` beside that input key.
        input_type: Type of the input for its JSON schema, from which Studio makes a form: `str` for
            a text field. Of a `TypedDict` the required keys are checked.
        context_schema: Class of the run's context, as in `StateGraph`.
        configure: Function from the options and the context to the options of this run; `Configure`
            has an example.
        **compile_options: `checkpointer`, `store`, `cache`, `name` and the others of
            `StateGraph.compile` (see `CompileOptions`).

    Returns:
        The compiled graph.

    Raises:
        SetupError: Here, when an option cannot work; at run time, when the input is missing.
        ModelUnavailableError: The model cannot be used on this machine.
        BranchFailedError: At run time, when a required section or the aggregate failed.

    Example:
        ```python
        from langgraph_parallel import Section, create_sectioning

        review = create_sectioning(
            [
                Section("security", "Name the security holes in this code."),
                Section("style", "Say what hinders reading this code."),
            ],
            aggregate="synthesize",
        )
        print(review.invoke({"input": "def f(x): return eval(x)"})["output"])
        ```
    """
    graph = build_sectioning(
        sections,
        model=model,
        aggregate=aggregate,
        min_success=min_success,
        retries=retries,
        max_concurrency=max_concurrency,
        deadline=deadline,
        input_key=input_key,
        output_key=output_key,
        input_type=input_type,
        context_schema=context_schema,
        configure=configure,
    )
    return compiled(graph, "sectioning", compile_options)
