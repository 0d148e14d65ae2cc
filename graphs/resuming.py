"""Goes on with what a thread has left undone, or starts with the input if there is nothing."""

from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.types import Command, StateSnapshot

from langgraph_parallel.errors import SetupError

AnyGraph = Pregel[Any, Any, Any, Any]


def resume(graph: AnyGraph, input: Any, config: RunnableConfig, **options: Any) -> Any:  # noqa: A002
    """Finish the unfinished run of a thread, or start a new one if there is none.

    So the same call is right at the first start of a job, after each crash, kill or error, and
    after its end: branches whose results are stored are not run again. LangGraph's own `invoke`
    with an input runs all of them again; with `None` it goes on, but cannot start.

    Args:
        graph: A compiled graph with a checkpointer: a pattern, or any graph around patterns.
        input: What a new run starts with. An unfinished run keeps the input that it has. When the
            last run has ended and the state still holds just this input, that run's output is
            given again; to run the same input once more, call `invoke`. A `Command(resume=...)`,
            the answer to an interrupt, is passed on as it is.
        config: Config with the `thread_id`.
        **options: Further options of `invoke`, such as `context`.

    Returns:
        The output state, as from `invoke`. A run that waits for a person has `"__interrupt__"`
        in it.

    Raises:
        SetupError: The graph has no checkpointer, or the config no `thread_id`.

    Example:
        ```python
        from langgraph.checkpoint.sqlite import SqliteSaver
        from langgraph_parallel import Section, create_sectioning, resume

        with SqliteSaver.from_conn_string("jobs.sqlite") as saver:
            graph = create_sectioning([Section("tone", "Judge the tone.")], checkpointer=saver)
            job = {"configurable": {"thread_id": "letter 7"}}
            print(resume(graph, {"input": "Dear all, ..."}, job)["output"])
        ```
    """
    _check(graph, config)
    state = graph.get_state(config)
    if _is_done(state, input):
        return _output(graph, state)
    return graph.invoke(_rest(state, input), config, **options)


async def aresume(graph: AnyGraph, input: Any, config: RunnableConfig, **options: Any) -> Any:  # noqa: A002
    """Do what `resume` does, with `ainvoke`; the arguments and errors are the same."""
    _check(graph, config)
    state = await graph.aget_state(config)
    if _is_done(state, input):
        return _output(graph, state)
    return await graph.ainvoke(_rest(state, input), config, **options)


def _check(graph: AnyGraph, config: RunnableConfig) -> None:
    if not graph.checkpointer:
        raise SetupError(
            f"The graph {graph.name!r} has no checkpointer, so nothing of its runs is kept. "
            "Compile it with checkpointer=."
        )
    if not config.get("configurable", {}).get("thread_id"):
        raise SetupError(
            "The config names no thread to go on with. Give "
            "{'configurable': {'thread_id': ...}}, the same for each try of a job."
        )


def _is_done(state: StateSnapshot, value: Any) -> bool:
    """Say whether the last run was one of this input; a conversation has grown since then."""
    if state.tasks or not isinstance(value, Mapping) or not value:
        return False
    return all(key in state.values and state.values[key] == value[key] for key in value)


def _output(graph: AnyGraph, state: StateSnapshot) -> Any:
    keys = graph.output_channels
    if isinstance(keys, str):
        return state.values[keys]
    return {key: state.values[key] for key in keys if key in state.values}


def _rest(state: StateSnapshot, value: Any) -> Any:
    # Not `next`: it is empty too when all tasks of a step have ended and their step has not.
    return None if state.tasks and not isinstance(value, Command) else value
