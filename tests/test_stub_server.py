"""The stub server keeps its promises to real clients."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Thread
from threading import enumerate as enumerate_threads
from typing import Any, Literal

import httpx2
import openai
import pytest
import stub_server
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, SecretStr, ValidationError
from stub_schema import minimal_instance
from stub_server import ChatRequest, Record, Reply, Rule, StubServer, ToolCall
from stub_wire import pieces

MakeChat = Callable[..., ChatOpenAI]


@pytest.fixture
def server() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture(params=[openai.DefaultAsyncHttpxClient, openai.DefaultAioHttpClient])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    async with request.param(verify=False) as transport:
        yield transport


@pytest.fixture
def chat(server: StubServer) -> Iterator[MakeChat]:
    with openai.DefaultHttpxClient(verify=False) as http:

        def make(http_async: httpx2.AsyncClient | None = None, **options: Any) -> ChatOpenAI:
            # Before Python 3.12 the chunk timeout's wait_for() swallows a cancellation that
            # comes together with a chunk: the client would stay.
            steady = {"max_retries": 0, "stream_chunk_timeout": None}
            return ChatOpenAI(
                **{"model": "stub-model", **steady, **options},
                base_url=server.url + "/v1",
                api_key=SecretStr("stub"),
                http_client=http,
                http_async_client=http_async,
            )

        yield make


@pytest.fixture
def client(server: StubServer) -> Iterator[openai.OpenAI]:
    with client_of(server) as client:
        yield client


def client_of(server: StubServer) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(verify=False)
    url = server.url + "/v1"
    return openai.OpenAI(base_url=url, api_key="stub", max_retries=0, http_client=http)


def ask(client: openai.OpenAI, text: str, **options: Any) -> list[str | None]:
    answer = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": text}], **options
    )
    return [choice.message.content for choice in answer.choices]


def request_without_answer(url: str, body: dict[str, Any]) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.post(url + "/v1/chat/completions", json=body)


def duration(record: Record) -> float:
    assert record.ended is not None
    return record.ended - record.started


class TestAnswers:
    def test_first_rule_that_matches_the_content_answers(
        self, server: StubServer, chat: MakeChat
    ) -> None:
        server.on("capital of France", "Paris")
        server.on(lambda request: request.temperature == 0.5, "warm")
        server.on("capital", lambda request: f"unknown to {request.model}")
        assert chat().invoke("the capital of Peru").text == "unknown to stub-model"
        assert chat(temperature=0.5).invoke("the capital of Peru").text == "warm"
        parts: list[str | dict[str, Any]] = [{"type": "text", "text": "Go"}]
        messages = [SystemMessage("What is the capital of France?"), HumanMessage(parts)]
        assert chat(temperature=0.5).invoke(messages).text == "Paris"
        assert server.requests[-1].request.text == "What is the capital of France?\nGo"
        assert server.count("capital") == 3
        assert server.count(lambda request: request.temperature == 0.5) == 2

    def test_unmatched_requests_are_loud(self, server: StubServer, chat: MakeChat) -> None:
        server.on("Capital", "the case matters")
        with pytest.raises(openai.BadRequestError, match=r"no rule .* 'capital'"):
            chat().invoke("capital")
        assert [record.status for record in server.unmatched] == ["error"]

    def test_a_failing_rule_is_loud(self, server: StubServer, chat: MakeChat) -> None:
        server.on("", lambda request: request.body["missing"])
        with pytest.raises(openai.BadRequestError, match="KeyError"):
            chat().invoke("q")

    def test_default_answers_the_unmatched(self) -> None:
        with (
            StubServer([Rule("a", "rule")], default="default") as server,
            client_of(server) as client,
        ):
            assert [ask(client, "a"), ask(client, "b")] == [["rule"], ["default"]]
            assert not server.unmatched

    def test_usage_counts_words_and_pieces(self, server: StubServer, chat: MakeChat) -> None:
        server.on("", "three word reply")
        answer = chat().invoke([("system", "You are"), ("user", "asked this thing")])
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_tokens"] == 5
        assert answer.usage_metadata["output_tokens"] == 3
        assert server.requests[0].generated == 3

    def test_n_choices_and_samples(self, server: StubServer, client: openai.OpenAI) -> None:
        server.on("vote", Reply(samples=["yes", "no", {"vote": "yes"}]))
        server.on("seen", lambda request: str(request.seen))
        assert ask(client, "vote", n=2) == ["yes", "no"]
        assert ask(client, "vote") == ['{"vote": "yes"}']
        assert ask(client, "vote", n=3) == ["yes", "no", '{"vote": "yes"}']
        assert [ask(client, text)[0] for text in ("seen", "seen", "seen!", "seen")] == list("0102")

    def test_streamed_choices_are_told_apart(
        self, server: StubServer, client: openai.OpenAI
    ) -> None:
        server.on("", Reply(samples=["a b c", "", "d"]))
        texts, ends, usage = ["", "", ""], [""] * 3, None
        for chunk in client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "q"}],
            n=3,
            stream=True,
            stream_options={"include_usage": True},
        ):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                ends[choice.index] = choice.finish_reason or ""
        assert texts == ["a b c", "", "d"]
        assert ends == ["stop"] * 3
        assert usage is not None
        assert usage.completion_tokens == 4

    @pytest.mark.parametrize("text", ["", " ", "a", " a  b\n\nc \n", "línea\tdos\n"])
    def test_streamed_pieces_concatenate(
        self, server: StubServer, chat: MakeChat, text: str
    ) -> None:
        server.on("", text)
        chunks = list(chat(stream_usage=True).stream("q"))
        assert [chunk.text for chunk in chunks if chunk.text] == pieces(text)
        assert "".join(pieces(text)) == text
        usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
        assert [one["output_tokens"] for one in usage] == [len(pieces(text))]

    def test_without_include_usage_no_usage_is_streamed(
        self, server: StubServer, chat: MakeChat
    ) -> None:
        server.on("", "a b")
        assert not any(chunk.usage_metadata for chunk in chat(stream_usage=False).stream("q"))

    @pytest.mark.parametrize("streaming", [False, True])
    def test_tool_calls(self, server: StubServer, chat: MakeChat, streaming: bool) -> None:
        server.on(
            lambda request: bool(request.tools),
            Reply("wait", tool_calls=[ToolCall("add", {"a": 1, "b": 2}), ToolCall("stop", id="2")]),
        )
        tools: list[dict[str, Any]] = [
            {"name": name, "description": "", "parameters": {}} for name in ("add", "stop")
        ]
        answer = chat(streaming=streaming).bind_tools(tools).invoke("q")
        assert answer.text == "wait"
        assert [(call["name"], call["args"]) for call in answer.tool_calls] == [
            ("add", {"a": 1, "b": 2}),
            ("stop", {}),
        ]

    def test_models(self) -> None:
        with (
            StubServer(models=["one", "two"]) as server,
            client_of(server) as client,
        ):
            assert [model.id for model in client.models.list()] == ["one", "two"]


class Leaf(BaseModel):
    kind: Literal["leaf", "bud"]
    size: int = Field(gt=3, lt=9, multiple_of=4)
    weight: float = Field(gt=0, lt=1)


class Tree(BaseModel):
    name: str = Field(min_length=2)
    alive: bool
    leaves: list[Leaf] = Field(min_length=2)
    first: Leaf | str
    parent: "Tree | None"
    comment: str = "none"


class TestSchemas:
    def test_objects_become_structured_output(self, server: StubServer, chat: MakeChat) -> None:
        leaf = {"kind": "bud", "size": 8, "weight": 0.5}
        server.on("leaf", leaf)
        bound = chat().with_structured_output(Leaf, method="json_schema")
        assert bound.invoke("leaf") == Leaf.model_validate(leaf)
        assert server.requests[0].request.schema is not None

    def test_text_is_sent_as_it_is(self, server: StubServer, chat: MakeChat) -> None:
        server.on("leaf", '{"kind": "bud", ')
        with pytest.raises(ValidationError, match="Invalid JSON"):
            chat().with_structured_output(Leaf, method="json_schema").invoke("leaf")
        schema = {"title": "leaf", "description": "", **Leaf.model_json_schema()}
        bound = chat().with_structured_output(schema, method="json_schema", include_raw=True)
        answer = bound.invoke("leaf")
        assert isinstance(answer, dict)
        assert answer["raw"].text == '{"kind": "bud", '

    def test_without_an_answer_a_minimal_instance_is_made(self, chat: MakeChat) -> None:
        made = chat().with_structured_output(Tree, method="json_schema").invoke("tree")
        leaf = Leaf(kind="leaf", size=4, weight=0.5)
        assert made == Tree(
            name="xx", alive=False, leaves=[leaf, leaf], first=leaf, parent=None, comment=""
        )

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({}, None),
            ({"type": ["string", "null"]}, None),
            ({"type": ["string", "integer"]}, ""),
            ({"const": 0}, 0),
            ({"type": "integer", "maximum": -2}, -2),
            ({"type": "integer", "exclusiveMinimum": 0}, 1),
            ({"type": "number", "exclusiveMaximum": 0}, -1),
            ({"type": "string", "format": "date"}, "2000-01-01"),
            ({"type": "array", "prefixItems": [{"const": 1}], "minItems": 2}, [1, None]),
            ({"oneOf": [{"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"const": 7}}}, 7),
        ],
    )
    def test_minimal_instances(self, schema: dict[str, Any], value: object) -> None:
        assert minimal_instance(schema) == value

    def test_impossible_numbers_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no number"):
            minimal_instance({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2})


class TestAccidents:
    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize(
        ("status", "kind"),
        [(429, openai.RateLimitError), (500, openai.InternalServerError)],
    )
    def test_errors_in_openai_shape(
        self,
        server: StubServer,
        chat: MakeChat,
        status: int,
        kind: type[openai.APIStatusError],
        streaming: bool,
    ) -> None:
        server.on("", Reply(status=status, error="no", code="c", headers={"Retry-After": "7"}))
        with pytest.raises(kind, match="no") as caught:
            chat(streaming=streaming).invoke("q")
        assert caught.value.code == "c"
        assert caught.value.response.headers["retry-after"] == "7"
        assert server.requests[0].status == "error"
        assert server.requests[0].first_token is None

    async def test_a_drop_is_a_connection_error(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient
    ) -> None:
        server.on("", Reply("a b c", drop=True))
        model = chat(transport)
        with pytest.raises(openai.APIConnectionError):
            await model.ainvoke("q")
        with pytest.raises(openai.APIConnectionError):
            await anext(model.astream("q"))
        assert [record.status for record in server.requests] == ["error", "error"]

    async def test_a_drop_in_the_middle_of_a_stream(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient
    ) -> None:
        server.on("", Reply("a b c", drop=True, drop_after=2))
        chunks = chat(transport).astream("q")
        assert [(await anext(chunks)).text for _ in range(3)] == ["", "a", " b"]
        with pytest.raises(openai.APIConnectionError):
            await anext(chunks)
        assert server.requests[0].generated == 2

    def test_retries_of_the_client_are_separate_requests(
        self, server: StubServer, chat: MakeChat
    ) -> None:
        def once(request: ChatRequest) -> Reply:
            headers = {"retry-after-ms": "1"}
            return Reply("ok") if request.seen else Reply(status=429, headers=headers)

        server.on("", once)
        assert chat(max_retries=1).invoke("q").text == "ok"
        assert [record.status for record in server.requests] == ["error", "done"]

    @pytest.mark.parametrize("body", ["nonsense", "[]", '{"messages": [1]}'])
    def test_unreadable_requests(self, server: StubServer, body: str) -> None:
        answer = httpx2.post(server.url + "/v1/chat/completions", content=body)
        assert answer.status_code == 400
        assert "unreadable" in answer.json()["error"]["message"]
        assert not server.requests


class TestClientsThatLeave:
    @pytest.mark.parametrize("streaming", [False, True])
    async def test_at_a_gate(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient, streaming: bool
    ) -> None:
        server.on("", Reply("a b c", gate="never", gate_after=1))
        task = asyncio.create_task(chat(transport, streaming=streaming).ainvoke("q"))
        await server.until(lambda server: server.waiting("never") == 1)
        record = server.requests[0]
        assert (record.status, record.generated, server.open_requests) == ("running", 1, 1)
        left = time.monotonic()
        task.cancel()
        await server.until(lambda _: record.status == "client_closed")
        assert record.closed_at is not None
        assert record.closed_at - left < 1
        assert (record.generated, record.gate, server.open_requests) == (1, None, 0)
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_in_the_middle_of_a_stream(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient
    ) -> None:
        server.on("", Reply("word " * 1000, per_token=0.005))
        task = asyncio.create_task(chat(transport, streaming=True).ainvoke("q"))
        await server.until(lambda server: server.requests != [])
        record = server.requests[0]
        await server.until(lambda _: record.generated >= 5)
        task.cancel()
        await server.until(lambda _: record.status == "client_closed")
        generated = record.generated
        await asyncio.sleep(0.02)
        assert record.generated == generated < 100

    def test_a_client_timeout(self, server: StubServer, chat: MakeChat) -> None:
        server.on("", Reply("late", delay=60))
        with pytest.raises(openai.APITimeoutError):
            chat(timeout=1.0).invoke("q")
        server.wait_until(lambda server: server.open_requests == 0)
        record = server.requests[0]
        assert (record.status, record.first_token) == ("client_closed", None)

    def test_a_stop_is_quick_and_leaves_no_thread(self) -> None:
        with StubServer([Rule("", Reply("a b", gate="never"))]) as server:
            data = {"messages": [{"content": "q"}]}
            asked = Thread(target=request_without_answer, args=(server.url, data))
            asked.start()
            server.wait_until(lambda server: server.waiting("never") == 1)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert server.requests[0].status == "error"
        asked.join()
        assert "stub-server" not in [thread.name for thread in enumerate_threads()]

    def test_a_port_is_not_used_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        offered: list[object] = []

        class Ports(set[int]):
            def __contains__(self, port: object) -> bool:
                offered.append(port)
                return len(offered) < 3

        monkeypatch.setattr(stub_server, "_PORTS", Ports())
        with StubServer() as server:
            assert server.url.endswith(f":{offered[2]}")


class TestOrderAndTime:
    async def test_gates_force_the_order(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient
    ) -> None:
        server.on("first", Reply("1", gate="one"))
        server.on("second", Reply("2", gate="two"))
        model, ended = chat(transport), list[str]()

        async def run(text: str) -> None:
            await model.ainvoke(text)
            ended.append(text)

        tasks = [asyncio.create_task(run(text)) for text in ("first", "second")]
        await server.until(lambda server: server.waiting("one") + server.waiting("two") == 2)
        server.open("two")
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        server.open("one")
        await asyncio.gather(*tasks)
        assert ended == ["second", "first"]
        await run("second")
        server.close_gate("two")
        again = asyncio.create_task(run("second"))
        await server.until(lambda server: server.waiting("two") == 1)
        server.open("two")
        await again

    def test_a_gate_opened_before_the_start(self) -> None:
        server = StubServer([Rule("", Reply("a", gate="g"))])
        server.open("g")
        with server, client_of(server) as client:
            assert ask(client, "q") == ["a"]

    async def test_peak_of_open_requests(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient
    ) -> None:
        server.on("", Reply("a", gate="g"))
        model = chat(transport)
        tasks = [asyncio.create_task(model.ainvoke(str(index))) for index in range(40)]
        await server.until(lambda server: server.open_requests == 40)
        server.open("g")
        await asyncio.gather(*tasks)
        for index in range(3):
            await model.ainvoke(str(index))
        assert (server.max_open, server.open_requests) == (40, 0)
        server.reset_max_open()
        await model.ainvoke("again")
        assert server.max_open == 1

    async def test_tokens_are_sent_one_by_one(
        self, server: StubServer, chat: MakeChat, transport: httpx2.AsyncClient
    ) -> None:
        server.on("", Reply(" word" * 10, first_token=0.1, per_token=0.02, gate="g", gate_after=5))
        times: list[float] = []
        async for chunk in chat(transport).astream("q"):
            if chunk.text:
                times.append(time.monotonic() - server.requests[0].started)
            if len(times) == 5:  # the rest is not sent before
                server.open("g")
        first = server.requests[0].first_token
        assert first is not None
        assert times[0] >= first - server.requests[0].started >= 0.1
        assert len(times) == 10
        assert all(time >= 0.1 + index * 0.02 for index, time in enumerate(times))

    @pytest.mark.parametrize("stream", [False, True])
    def test_late_tokens_do_not_add_up(
        self, server: StubServer, client: openai.OpenAI, stream: bool
    ) -> None:
        server.on("", Reply(" word" * 300, per_token=0.001))
        question = [{"role": "user", "content": "q"}]
        body = {"model": "m", "messages": question, "stream": stream}
        client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        assert 0.3 <= duration(server.requests[0]) < 2

    def test_delays_by_model_and_reply(self) -> None:
        rules = [Rule("", Reply("a b", delay=0.02, per_token=0.02))]
        with (
            StubServer(rules, latency={"slow": 0.15}) as server,
            client_of(server) as client,
        ):
            for model in ("slow", "quick"):
                client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "q"}]
                )
            slow, quick = map(duration, server.requests)
        assert 0.06 <= quick <= 1
        assert 0.21 <= slow < 2

    def test_time_at_a_gate_shifts_the_rest(
        self, server: StubServer, client: openai.OpenAI
    ) -> None:
        server.on("", Reply("a b c", per_token=0.05, gate="g", gate_after=1))
        opened: list[float] = []

        def open_late() -> None:
            server.wait_until(lambda server: server.waiting("g") == 1)
            time.sleep(0.12)
            opened.append(time.monotonic())
            server.open("g")

        opener = Thread(target=open_late)
        opener.start()
        assert ask(client, "q") == ["a b c"]
        opener.join()
        assert (server.requests[0].ended or 0) - opened[0] >= 2 * 0.05


class TestWaiting:
    def test_a_wait_in_vain_lists_the_requests(
        self, server: StubServer, client: openai.OpenAI
    ) -> None:
        server.on("", "yes indeed")
        ask(client, "question")
        with pytest.raises(TimeoutError, match="done, 2 tokens: 'question'"):
            server.wait_until(lambda _: False, timeout=0.01)

    async def test_a_wait_must_not_block_an_event_loop(self, server: StubServer) -> None:
        with pytest.raises(RuntimeError, match="await until"):
            server.wait_until(lambda _: True)
        with pytest.raises(TimeoutError, match="requests: 0"):
            await server.until(lambda _: False, timeout=0.01)

    def test_the_request_as_rules_see_it(self, server: StubServer, chat: MakeChat) -> None:
        server.on("", "a")
        chat(seed=7, temperature=0.3, streaming=True).invoke("q")
        request = server.requests[0].request
        assert (request.seed, request.temperature, request.stream, request.n) == (7, 0.3, True, 1)
        assert request.messages == [{"role": "user", "content": "q"}]
        assert (request.schema, request.tools) == (None, [])
        assert json.loads(json.dumps(dict(request.body)))["model"] == request.model
