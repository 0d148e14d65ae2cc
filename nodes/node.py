"""A graph node from one async function, for sync and async graphs alike."""

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, var_child_runnable_config
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime, get_runtime

from langgraph_parallel.nodes.dispatch import Dispatch, close_dispatch, find_live
from langgraph_parallel.nodes.keys import DISPATCH
from langgraph_parallel.nodes.loop import run_sync
from langgraph_parallel.nodes.saver import with_async_saver

Action = Callable[[Any, RunnableConfig, Runtime[Any]], Awaitable[Any]]
"""An async bound method of (state, config, runtime)."""


class Node(Runnable[Any, Any]):
    """Runs an action on the caller's event loop, or from sync graphs on the background loop.

    LangGraph gives a plain async function no sync form, and LangChain's `RunnableLambda` makes
    each call 65% dearer; hence this class.
    """

    def __init__(self, action: Action, name: str) -> None:
        self.action = action
        self.name = name

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the action on the background loop and wait for it."""
        return run_sync(self.ainvoke(input, with_async_saver(ensure_config(config)), **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the action on the running loop."""
        config = ensure_config(config)
        token = var_child_runnable_config.set(config)  # LangGraph sets it from Python 3.11 on only
        try:
            return await self.action(input, config, get_runtime())
        except GraphBubbleUp:  # the run pauses, and goes on with what it has
            if (dispatch := _dispatch(input)) and (live := find_live(dispatch)):
                live.pause()
            raise
        except BaseException:
            if dispatch := _dispatch(input):
                close_dispatch(dispatch)
            raise
        finally:
            var_child_runnable_config.reset(token)


def _dispatch(state: Any) -> Dispatch | None:
    """Find the dispatch in a node's state or in the payload of a `Send`."""
    dispatch: Dispatch | None = state.get(DISPATCH) or state.get("dispatch")
    return dispatch
