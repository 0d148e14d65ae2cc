"""The one background event loop on which sync calls run the async code.

It is the library's only thread that outlives a call: started by the first sync call, closed at
exit. Sync and async calls thus share one body of logic.
"""

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

Calls = set["Future[Any]"]
"""The calls of one run that are at work."""

_calls: ContextVar[tuple[Calls, ...]] = ContextVar("langgraph_parallel_calls", default=())
"""Those of the runs that are around a call, the outermost first."""
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and wait for its result.

    The caller's context variables travel with it. When the waiting thread is interrupted, the
    coroutine is cancelled.

    Args:
        work: The coroutine.

    Returns:
        What the coroutine returns; what it raises is raised here.

    Raises:
        RuntimeError: Called on the background loop itself, where waiting would never end.
    """
    loop = _background_loop()
    if threading.current_thread() is _thread:
        work.close()
        raise RuntimeError(
            "A sync call was made from async code on the library's own event loop, where it would "
            "wait for itself. Use `ainvoke` or `astream` in an async branch."
        )
    future = asyncio.run_coroutine_threadsafe(work, loop)
    around = _calls.get()
    for calls in around:
        calls.add(future)
    try:
        return future.result()
    except BaseException:
        if future.cancel():
            with suppress(CancelledError):
                future.result()
        raise
    finally:
        for calls in around:
            calls.discard(future)


def own_calls() -> Calls:
    """Begin a set of the sync calls that are made from here on in this context."""
    calls: Calls = set()
    _calls.set((*_calls.get(), calls))
    return calls


def cancel_all(calls: Calls) -> None:
    """Cancel calls that are at work; the threads that wait for them go on at once."""
    for future in list(calls):
        future.cancel()


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread  # noqa: PLW0603
    with _lock:
        if _loop is None or _thread is None or not _thread.is_alive():  # also after a fork
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(
                target=_loop.run_forever, name="langgraph-parallel", daemon=True
            )
            _thread.start()
        return _loop


@atexit.register
def _close() -> None:
    if _loop is None or _thread is None or not _thread.is_alive():
        return
    with suppress(TimeoutError, CancelledError):
        asyncio.run_coroutine_threadsafe(_finish(_loop), _loop).result(timeout=5)
    _loop.call_soon_threadsafe(_loop.stop)
    _thread.join(timeout=5)
    if not _thread.is_alive():
        _loop.close()


async def _finish(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()  # closes the models' clients
