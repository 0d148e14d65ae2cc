"""Makes a part of an answering agent wait for the guardrail's verdict."""

import functools
import inspect
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel

from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.calls import is_async
from langgraph_parallel.nodes.permit import wait, wait_in_thread

T = TypeVar("T")


def after_verdict(target: T) -> T:
    """Let a tool, function or node of an answer run only once the guards have passed the input.

    Inside the answer of a `create_guardrail`, however deep, a call waits for the verdict; after a
    denial it never runs. Inside several guardrails it waits for each. Outside of them it just runs.
    What the guardrail's output guards find comes later and does not hold it up.

    It finds its guardrail through a context variable. Event-loop tasks, LangGraph, LangChain and
    `asyncio.to_thread` pass that on; to a thread that you start yourself you must pass it, by
    `contextvars.copy_context().run`.

    Args:
        target: A LangChain tool, such as one for `create_agent`; a sync or async function, such as
            a node; or a Runnable. Plain functions wait in their thread.

    Returns:
        The same kind of thing, with the same name and signature.

    Raises:
        SetupError: It is none of these. At run time, a plain function raises `RuntimeError` if it
            is called on an event loop while it would have to wait.

    Example:
        ```python
        from langchain.agents import create_agent
        from langchain_core.tools import tool


        @after_verdict
        @tool
        def send_mail(to: str, text: str) -> str:
            "Send a mail."
            ...


        chat = create_guardrail(create_agent(model, [send_mail]), guards)
        ```
    """
    made: Any
    if isinstance(target, BaseTool):
        made = _tool(target)
    elif isinstance(target, Runnable):
        made = _runnable(target)
    elif not callable(target) or _gives_pieces(target):
        raise SetupError(
            f"after_verdict cannot hold up {target!r}. Give a tool, a function that returns its "
            "result, or a Runnable."
        )
    else:
        made = _function(target)
    return made  # type: ignore[no-any-return]


def _gives_pieces(target: Any) -> bool:
    return inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target)


def _function(target: Any) -> Any:
    if is_async(target):

        @functools.wraps(target)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            await wait()
            return await target(*args, **kwargs)

        return waiting

    @functools.wraps(target)
    def waiting_in_thread(*args: Any, **kwargs: Any) -> Any:
        wait_in_thread()
        return target(*args, **kwargs)

    return waiting_in_thread


def _runnable(target: Runnable[Any, Any]) -> Runnable[Any, Any]:
    name = target.name if isinstance(target, Pregel) else target.get_name()
    return (RunnableLambda(_pass_on, afunc=_apass_on) | target).with_config(run_name=name)


def _pass_on(value: Any) -> Any:
    wait_in_thread()
    return value


async def _apass_on(value: Any) -> Any:
    await wait()
    return value


class _Waits(BaseTool):
    """What goes before the class of a tool that waits."""

    async def ainvoke(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Any:
        await wait()  # not later, in one of the few threads of LangChain's pool
        return await super().ainvoke(input, config, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        wait_in_thread()
        return super().run(*args, **kwargs)

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        await wait()
        return await super().arun(*args, **kwargs)


def _tool(tool: BaseTool) -> BaseTool:
    kind = type(tool)
    waiting = tool.model_copy()
    object.__setattr__(waiting, "__class__", type(kind.__name__, (_Waits, kind), {}))
    return waiting
