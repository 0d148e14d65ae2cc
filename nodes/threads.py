"""Plain functions in threads of their own, so that they never hold up the event loop."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing, suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a blocking function in a new daemon thread and wait for it.

    The event loop's own pool runs only CPU count + 4 at a time and waits for its threads at
    exit; here the limiter bounds the number, and a function that never returns holds up nothing.
    A cancelled call stops waiting; the function itself cannot be stopped and its result is lost.

    Args:
        function: The function.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returns; what it raises is raised here.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def target() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(function, *args, **kwargs)
        except StopIteration as caught:  # a future cannot carry it
            error = RuntimeError(f"The function raised StopIteration({caught.value!r}).")
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=target, name=f"branch-{id(future):x}", daemon=True).start()
    return await future


_END = object()


async def each_in_thread(
    function: Callable[..., Generator[Any, Any, Any]], *args: Any, **kwargs: Any
) -> AsyncGenerator[Any, None]:
    """Run a generator function in a new daemon thread, as far as its pieces are read.

    Args:
        function: The generator function.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Yields:
        Its pieces. The next one is begun when it is asked for; when nobody reads on, the generator
        is closed after the piece that it is at.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[Any, BaseException | None]] = asyncio.Queue()
    wanted, closed = threading.Semaphore(0), threading.Event()
    context = contextvars.copy_context()

    def tell(piece: Any, error: BaseException | None = None) -> None:
        with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(pieces.put_nowait, (piece, error))

    def work() -> None:
        with closing(function(*args, **kwargs)) as generator:
            while wanted.acquire() and not closed.is_set():
                piece = next(generator, _END)
                tell(piece)
                if piece is _END:
                    return

    def target() -> None:
        try:
            context.run(work)
        except BaseException as error:
            tell(None, error)

    threading.Thread(target=target, name=f"pieces-{id(pieces):x}", daemon=True).start()
    try:
        while True:
            wanted.release()
            piece, error = await pieces.get()
            if error is not None:
                raise error
            if piece is _END:
                return
            yield piece
    finally:
        closed.set()
        wanted.release()
