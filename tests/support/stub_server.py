"""A server of OpenAI's chat-completions API over HTTP, on the loopback.

It answers by the content of a request, never by the order of calls:

```python
with StubServer([Rule("capital of France", "Paris")]) as server:
    model = ChatOpenAI(
        model="stub-model", base_url=server.url + "/v1", api_key="stub", max_retries=0
    )
    model.invoke("What is the capital of France?")
```

A request that no rule matches gets the default reply; without a default, a request that asks
for a JSON schema gets a minimal instance of it; anything else gets an error 400 that quotes
the request, and is listed in `StubServer.unmatched`.
"""

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from aiohttp import web
from stub_log import RequestLog
from stub_turn import FIRST_ERROR, DropError, Turn, plan
from stub_types import Answer, Answers, ChatRequest, Record, Reply, Rule, ToolCall, When
from stub_wire import ChunkWriter, completion, error_body, model_list
from typing_extensions import Self

__all__ = ["Answer", "ChatRequest", "Record", "Reply", "Rule", "StubServer", "ToolCall"]

_MAX_BODY = 2**26
_BACKLOG = 1024
_STOP_SECONDS = 5.0
_PORTS: set[int] = set()


class StubServer(RequestLog):
    """The server; it runs in its own thread, inside a `with` block.

    Args:
        rules: The first rule that matches a request answers it.
        default: Answers the requests that no rule matches.
        latency: Seconds added to every reply's `delay`, by name of the model.
        models: The names that `GET /v1/models` lists.
    """

    url: str
    """Where the server listens, without the `/v1`."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        *,
        default: Answers | None = None,
        latency: Mapping[str, float] | None = None,
        models: Sequence[str] = ("stub-model",),
    ) -> None:
        super().__init__()
        self._rules = list(rules)
        self._last_rule = [] if default is None else [Rule("", default)]
        self._latency = dict(latency or {})
        self._models = tuple(models)
        self._gates: dict[str, asyncio.Event] = {}
        self._numbers = itertools.count(1)
        self._handlers: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()
        self._ready: Future[tuple[asyncio.AbstractEventLoop, int]] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="stub-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._loop, port = self._ready.result()
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._in_loop(self._stop.set)
        self._loop = None
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError(f"the stub server did not stop within {_STOP_SECONDS} s")

    def on(self, when: When, reply: Answers) -> None:
        """Add a rule after the present ones."""
        self._rules.append(Rule(when, reply))

    def open(self, gate: str) -> None:
        """Let the replies at this gate go on, and all that reach it later."""
        self._in_loop(self._gate(gate).set)

    def close_gate(self, gate: str) -> None:
        """Close a gate again for the replies that reach it from now on."""
        self._in_loop(self._gate(gate).clear)

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    def _in_loop(self, change: Callable[[], None]) -> None:
        if self._loop is None:
            change()
        else:
            self._loop.call_soon_threadsafe(change)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    async def _serve(self) -> None:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/v1/chat/completions", self._handle)
        app.router.add_get("/v1/models", self._list_models)
        runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await runner.setup()
        loop, listener = asyncio.get_running_loop(), _free_port()
        try:
            await web.SockSite(runner, listener, backlog=_BACKLOG).start()
            self._ready.set_result((loop, listener.getsockname()[1]))
            await self._stop.wait()
        finally:
            # asyncio would leave open what it has accepted at the moment of closing.
            loop.remove_reader(listener)
            for _ in range(3):
                await asyncio.sleep(0)
            running = list(self._handlers)
            for handler in running:
                handler.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await runner.cleanup()

    async def _list_models(self, http: web.Request) -> web.Response:
        return web.json_response(model_list(self._models))

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        try:
            request = ChatRequest.parse(await http.json())
        except ValueError as error:
            return _error(Reply(status=FIRST_ERROR, error=f"unreadable request: {error}"))
        record = self._begin(request)
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        try:
            return await self._answer(http, record)
        except asyncio.CancelledError:
            self._end(record, "error" if self._stop.is_set() else "client_closed")
            raise
        except ConnectionError:
            self._end(record, "client_closed")
        except DropError:
            self._end(record, "error")
            if http.transport is not None:
                http.transport.close()
        finally:
            self._end(record, "error")
            self._handlers.discard(handler)
        return web.Response()  # aiohttp wants one, but the connection is closed

    async def _answer(self, http: web.Request, record: Record) -> web.StreamResponse:
        turn = self._plan(record)
        if record.request.stream and not turn.is_error:
            return await self._stream(http, turn)
        for step in range(turn.steps):
            await self._reach(turn, step)
            self._advance(record, turn.tokens(step))
        await self._reach(turn, turn.steps)
        _check_client(http)
        if turn.is_error:
            self._end(record, "error")
            return _error(turn.reply)
        self._end(record, "done")
        body = completion(self._identifier(), record.request, turn.choices)
        return web.json_response(body, status=turn.reply.status, headers=turn.reply.headers)

    async def _stream(self, http: web.Request, turn: Turn) -> web.StreamResponse:
        chunks = ChunkWriter(self._identifier(), turn.record.request, turn.choices)
        headers = {"Content-Type": "text/event-stream", **turn.reply.headers}
        response = web.StreamResponse(status=turn.reply.status, headers=headers)
        pending = chunks.opening()
        for step in range(turn.steps):
            await self._reach(turn, step)
            self._advance(turn.record, turn.tokens(step))
            await response.prepare(http)
            await response.write(pending + chunks.step(step))
            await asyncio.sleep(0)  # or a reply without pauses would hold up all others
            pending = b""
        await self._reach(turn, turn.steps)
        await response.prepare(http)
        _check_client(http)
        self._end(turn.record, "done")
        await response.write(pending + chunks.ending())
        await response.write_eof()
        return response

    async def _reach(self, turn: Turn, step: int) -> None:
        reply = turn.reply
        pause = turn.start + step * reply.per_token - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        if reply.gate is not None and step == min(reply.gate_after, turn.steps):
            gate = self._gate(reply.gate)
            if not gate.is_set():
                self._set_gate(turn.record, reply.gate)
                await gate.wait()
                self._set_gate(turn.record, None)
                turn.start = time.monotonic() - step * reply.per_token
        if reply.drop and step == min(reply.drop_after, turn.steps):
            raise DropError

    def _plan(self, record: Record) -> Turn:
        rules = [*self._rules, *self._last_rule]
        return plan(record, rules, self._latency.get(record.request.model, 0.0))

    def _identifier(self) -> str:
        return f"chatcmpl-stub-{next(self._numbers)}"


def _free_port() -> socket.socket:
    # ChatOpenAI shares connections by URL across event loops: a port that comes a second time
    # would hand a test the dead connections of an earlier one.
    while True:
        listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        port = listener.getsockname()[1]
        if port not in _PORTS:
            _PORTS.add(port)
            return listener
        listener.close()


def _error(reply: Reply) -> web.Response:
    return web.json_response(error_body(reply), status=reply.status, headers=reply.headers)


def _check_client(http: web.Request) -> None:
    if http.transport is None or http.transport.is_closing():
        raise ConnectionResetError
