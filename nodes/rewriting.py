"""The input on its way through the guards that may rewrite it."""

import asyncio
from collections.abc import Sequence
from typing import Any

from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.findings import guard_input
from langgraph_parallel.nodes.guard import Guard, rewriters
from langgraph_parallel.nodes.guardrail_spec import GuardrailSpec


class Rewriting:
    """What the guards that rewrite tell one another in one run.

    They work one after another, each on what the one before made of the input, so that the result
    follows their order and not their speed.
    """

    def __init__(self, value: Any, indexes: Sequence[int]) -> None:
        self.value = value
        """The input as the guards so far have left it."""
        self.is_changed = False
        self.done = asyncio.Event()
        """Set when no guard can change the input any more."""
        self._waiting = list(indexes)
        self._turns = {index: asyncio.Event() for index in indexes}
        self._next()

    def turn(self, index: int) -> asyncio.Event | None:
        """Give the event that a guard waits for; `None` for guards that do not rewrite."""
        return self._turns.get(index)

    def finish(self, index: int, output: dict[str, Any] | None) -> None:
        """Take what a guard found, `None` if it found nothing, and let the next one begin."""
        if index not in self._waiting:
            return
        self._waiting.remove(index)
        if output and "rewrite" in output:
            self.value, self.is_changed = output["rewrite"], True
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._turns[self._waiting[0]].set()
        else:
            self.done.set()


def last_rewrite(results: Sequence[BranchResult], value: Any) -> Any:
    """Give the input as the guards have left it, from their results in configured order.

    Args:
        results: The guards' results.
        value: The input as it came.
    """
    for result in results:
        if result["status"] == "ok" and "rewrite" in result["output"]:
            value = result["output"]["rewrite"]
    return value


def value_to_rewrite(
    spec: GuardrailSpec, guard: Guard, index: int, rewriting: Rewriting | None, value: Any
) -> Any:
    """Give a guard the input as those before it have left it.

    Args:
        spec: The guardrail's options.
        guard: The guard.
        index: Its index.
        rewriting: What the guards of this run tell one another, if it is known in this process.
        value: The input as it came.

    Raises:
        RuntimeError: The run goes on in another process, and that is not known there.
    """
    if rewriting is not None:
        return guard_input(guard, rewriting.value)
    if index != rewriters(spec.guards)[0]:
        raise RuntimeError(
            f"Guard {guard.name!r} rewrites what an earlier guard has made of the input, and the "
            "run goes on in another process, where that is lost. Run the graph anew."
        )
    return value
