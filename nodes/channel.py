"""The state channel that holds the results of one dispatch."""

from collections.abc import Sequence
from typing import Any

from langgraph.channels.base import BaseChannel
from langgraph.errors import EmptyChannelError
from typing_extensions import Self

from langgraph_parallel.nodes.branch import BranchResult


class Results(BaseChannel[list[BranchResult], list[BranchResult], list[BranchResult]]):
    """Merges branch results by (dispatch, index).

    A result of a newer dispatch replaces all of the older one's: a second turn on a thread starts
    clean. A branch that is retried or replayed replaces itself. All writes of a step are merged
    at once, so that wide fan-outs do not copy the results per branch.
    """

    __slots__ = ("results",)

    def __init__(self, typ: Any = list, key: str = "") -> None:
        super().__init__(typ, key)
        self.results: dict[int, BranchResult] = {}

    @property
    def ValueType(self) -> Any:  # noqa: N802
        """The type of the channel's value."""
        return list[BranchResult]

    @property
    def UpdateType(self) -> Any:  # noqa: N802
        """The type of one write."""
        return list[BranchResult]

    def from_checkpoint(self, checkpoint: Any) -> Self:
        """Build the channel from what a checkpoint holds."""
        channel = type(self)(self.typ, self.key)
        if isinstance(checkpoint, list):
            channel.update([checkpoint])
        return channel

    def checkpoint(self) -> list[BranchResult]:
        """Give what a checkpoint should hold."""
        return [self.results[index] for index in sorted(self.results)]

    def get(self) -> list[BranchResult]:
        """Give the results in order of their index."""
        if not self.results:
            raise EmptyChannelError
        return self.checkpoint()

    def is_available(self) -> bool:
        """Say whether there is a result."""
        return bool(self.results)

    def update(self, values: Sequence[list[BranchResult]]) -> bool:
        """Merge the writes of one step."""
        for result in (result for value in values for result in value):
            current = next(iter(self.results.values()), None)
            if current is not None and current["dispatch"] != result["dispatch"]:
                self.results = {}
            self.results[result["index"]] = result
        return bool(values)
