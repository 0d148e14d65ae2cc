"""What is answered when the guards deny."""

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime

from langgraph_parallel.errors import BranchFailedError
from langgraph_parallel.nodes.branch import Usage
from langgraph_parallel.nodes.calls import plain, run
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.guard import DEFAULT_DEADLINE
from langgraph_parallel.nodes.guardrail_spec import Refusal
from langgraph_parallel.nodes.hold import say
from langgraph_parallel.nodes.meter import Meter
from langgraph_parallel.nodes.run import child_config


async def make_refusal(
    refusal: Refusal, report: Mapping[str, Any], config: RunnableConfig, runtime: Runtime[Any]
) -> tuple[Any, Usage]:
    """Make the refusal of a run.

    Args:
        refusal: A text, or a function or Runnable of the report.
        report: The report.
        config: The node's config.
        runtime: The node's runtime.

    Returns:
        The refusal, plain data, and what its calls consumed.

    Raises:
        BranchFailedError: It failed, or took as long as a guard may.
    """
    meter = Meter()
    if isinstance(refusal, str):
        return refusal, meter.usage()
    try:
        made = run(refusal, report, child_config(config, meter), runtime)
        return plain(await asyncio.wait_for(made, DEFAULT_DEADLINE)), meter.usage()
    except Exception as error:
        raise BranchFailedError(
            f"The guards denied the input ({report['verdict']}), and the refusal failed: "
            f"{explain(error)}",
            report,
        ) from error


async def show_refusal(
    refusal: Any, begun: str, message_id: str | None, config: RunnableConfig
) -> tuple[Any, str | None]:
    """Let a refusal follow what has been released already, in the graph's `messages` stream too.

    Args:
        refusal: The refusal.
        begun: The part of the answer that has been released.
        message_id: Id of the message of that part.
        config: The node's config.

    Returns:
        What is answered: the refusal, or the part that was released and then the refusal; and the
        id of its message.
    """
    if not isinstance(refusal, str) or not begun or message_id is None:
        return refusal, None
    rest = f"\n\n{refusal}"
    await say(rest, message_id, config)
    return begun + rest, message_id
