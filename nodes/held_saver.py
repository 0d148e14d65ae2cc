"""Keeps what an answering agent would save until the answer may be given."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.memory import InMemorySaver

from langgraph_parallel.nodes.saver import SaverView


class HeldSaver(SaverView):
    """Stands before an agent's own checkpointer for one answer.

    It reads through and holds all writes, for only what was not denied may become the agent's
    memory.
    """

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        super().__init__(saver)
        self._held = InMemorySaver(serde=saver.serde)
        self._writes: list[Callable[[], Awaitable[Any]]] = []

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Give what this answer has written, else what was there before."""
        return self._held.get_tuple(config) or await self._saver.aget_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Give what was there before."""
        async for one in self._saver.alist(config, filter=filter, before=before, limit=limit):
            yield one

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Hold a checkpoint."""
        self._writes.append(partial(self._saver.aput, config, checkpoint, metadata, new_versions))
        return self._held.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Hold the writes of a task."""
        self._writes.append(partial(self._saver.aput_writes, config, writes, task_id, task_path))
        self._held.put_writes(config, writes, task_id, task_path)

    async def write(self) -> None:
        """Save all that was held, in its order."""
        for write in self._writes:
            await write()
