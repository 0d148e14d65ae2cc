"""A view of a checkpointer that async code can use, whatever the checkpointer itself can."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)


def with_async_saver(config: RunnableConfig) -> RunnableConfig:
    """Let the graphs that a node of a sync run calls use its checkpointer.

    Nodes run async code in sync runs too, where a checkpointer such as `SqliteSaver` refuses to
    work. The sync methods of any checkpointer work in a sync run, so they are what is called.
    """
    parts = config.get("configurable", {})
    savers = {
        key: SaverInThreads(part)
        for key, part in parts.items()
        if isinstance(part, BaseCheckpointSaver)
    }
    return {**config, "configurable": {**parts, **savers}} if savers else config


class SaverView(BaseCheckpointSaver[Any]):
    """Stands before a checkpointer, and is like it but for the methods that a subclass changes."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver

    @property
    def config_specs(self) -> list[Any]:
        """Give what can be configured."""
        return self._saver.config_specs

    def get_next_version(self, current: Any, channel: None) -> Any:
        """Give the version that follows one."""
        return self._saver.get_next_version(current, channel)


class SaverInThreads(SaverView):
    """Calls the sync methods of a checkpointer, from async code in threads."""

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> "SaverInThreads":
        """Give a copy that may load further types."""
        return SaverInThreads(self._saver.with_allowlist(extra_allowlist))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Load a checkpoint."""
        return self._saver.get_tuple(config)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Load a checkpoint."""
        return await asyncio.to_thread(self._saver.get_tuple, config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """List checkpoints."""
        return self._saver.list(config, filter=filter, before=before, limit=limit)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """List checkpoints."""
        listed = self.list(config, filter=filter, before=before, limit=limit)
        for checkpoint in await asyncio.to_thread(tuple, listed):
            yield checkpoint

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return self._saver.put(config, checkpoint, metadata, new_versions)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a branch wrote."""
        self._saver.put_writes(config, writes, task_id, task_path)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a branch wrote."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        self._saver.delete_thread(thread_id)

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread."""
        await asyncio.to_thread(self.delete_thread, thread_id)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, Any]:
        """Give what was written to channels."""
        return self._saver.get_delta_channel_history(config=config, channels=channels)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, Any]:
        """Give what was written to channels."""
        return await asyncio.to_thread(
            self.get_delta_channel_history, config=config, channels=channels
        )
