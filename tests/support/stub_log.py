"""The stub server's record of requests, readable from any thread."""

import asyncio
import threading
import time
from collections.abc import Callable

from stub_types import ChatRequest, Record, Status, When, matches
from typing_extensions import Self

_POLL_THREAD = 0.01
_POLL_TASK = 0.002


class RequestLog:
    """All requests, their progress, and ways to wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._records: list[Record] = []
        self._earlier: dict[str, tuple[int, int]] = {}
        self._open = 0
        self._max_open = 0

    @property
    def requests(self) -> list[Record]:
        """All records in order of arrival: a new list of the live objects."""
        with self._changed:
            return list(self._records)

    @property
    def open_requests(self) -> int:
        """How many requests are running now."""
        return self._open

    @property
    def max_open(self) -> int:
        """The most requests that ran at one time since the start or the last reset."""
        return self._max_open

    def reset_max_open(self) -> None:
        """Begin a new peak from the number of requests running now."""
        with self._changed:
            self._max_open = self._open

    @property
    def unmatched(self) -> list[Record]:
        """Requests that no rule, default or schema gave an answer to."""
        return [record for record in self.requests if not record.matched]

    def count(self, when: When = "") -> int:
        """Count the requests, ended or not, for which `when` holds as it would in a rule."""
        return sum(matches(when, record.request) for record in self.requests)

    def waiting(self, gate: str) -> int:
        """Count the requests that wait at a closed gate now."""
        return sum(record.gate == gate for record in self.requests)

    def wait_until(self, predicate: Callable[[Self], bool], timeout: float = 5.0) -> None:
        """Block this thread until the predicate holds.

        The log does not change while the predicate is evaluated, so it must be quick.

        Raises:
            TimeoutError: The predicate did not hold in time; the message lists all records.
            RuntimeError: The thread runs an event loop, which must not be blocked.
        """
        if _in_event_loop():
            raise RuntimeError("wait_until() would block the event loop: use `await until(...)`")
        deadline = time.monotonic() + timeout
        with self._changed:
            while not predicate(self):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TimeoutError(self._describe(timeout))
                self._changed.wait(min(remaining, _POLL_THREAD))

    async def until(
        self,
        predicate: Callable[[Self], bool],
        timeout: float = 5.0,
    ) -> None:
        """Wait, without blocking the event loop, until the predicate holds.

        Raises:
            TimeoutError: The predicate did not hold in time; the message lists all records.
        """
        deadline = time.monotonic() + timeout
        while not self._holds(predicate):
            if time.monotonic() >= deadline:
                raise TimeoutError(self._describe(timeout))
            await asyncio.sleep(_POLL_TASK)

    def _holds(self, predicate: Callable[[Self], bool]) -> bool:
        with self._changed:
            return predicate(self)

    def _describe(self, timeout: float) -> str:
        lines = [
            f"{record.status}, {record.generated} tokens"
            + (f", at gate {record.gate!r}" if record.gate else "")
            + f": {record.request.text[:80]!r}"
            for record in self.requests
        ]
        return "\n  ".join([f"not so within {timeout} s; requests: {len(lines)}", *lines])

    def _begin(self, request: ChatRequest) -> Record:
        with self._changed:
            seen, drawn = self._earlier.get(request.key, (0, 0))
            self._earlier[request.key] = (seen + 1, drawn + request.n)
            record = Record(ChatRequest(request.body, seen, drawn), time.monotonic())
            self._records.append(record)
            self._open += 1
            self._max_open = max(self._max_open, self._open)
            self._changed.notify_all()
        return record

    def _advance(self, record: Record, tokens: int) -> None:
        with self._changed:
            record.generated += tokens
            if record.first_token is None:
                record.first_token = time.monotonic()
            self._changed.notify_all()

    def _set_gate(self, record: Record, gate: str | None) -> None:
        with self._changed:
            record.gate = gate
            self._changed.notify_all()

    def _end(self, record: Record, status: Status) -> None:
        with self._changed:
            if record.status != "running":
                return
            record.status, record.ended = status, time.monotonic()
            if status == "client_closed":
                record.closed_at = record.ended
            record.gate = None
            self._open -= 1
            self._changed.notify_all()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
