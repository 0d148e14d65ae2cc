"""Replies that a cache has are not paid for again, and no reply answers another question."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from drive import MODEL, NOT_KEPT, Graph, chat_model, run, statuses
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.cache.base import BaseCache
from langgraph.cache.memory import InMemoryCache
from langgraph.cache.redis import RedisCache
from langgraph.cache.sqlite import SqliteCache
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel, SecretStr
from redis_server import PROGRAM, redis_server
from stub_server import ChatRequest, Reply, Rule, StubServer

from langgraph_parallel import (
    Guard,
    Section,
    Voter,
    build_sectioning,
    create_guardrail,
    create_sectioning,
    create_voting,
)

Cache = BaseCache[Any]
BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


@pytest.fixture(scope="module")
def redis_client() -> Iterator[redis.Redis]:
    if PROGRAM is None:
        pytest.skip("needs a Redis server: apt-get install redis-server")
    with redis_server() as client:
        yield client


@pytest.fixture(params=["memory", "sqlite", "redis"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cache]:
    if request.param == "memory":
        yield InMemoryCache()
    elif request.param == "redis":
        client = request.getfixturevalue("redis_client")
        client.flushall()
        yield RedisCache(client)
    else:
        kept: SqliteCache[Any] = SqliteCache(path=str(tmp_path / "cache"))
        yield kept
        kept._conn.close()


def sectioning(cache: Cache | None, names: str = "ab", **options: Any) -> Graph:
    sections = [Section(name, f"Look at {name}.") for name in names]
    return create_sectioning(sections, model=MODEL, aggregate="merge", cache=cache, **options)


def voting(cache: Cache | None, **options: Any) -> Graph:
    voter = Voter("v", "Vote.")
    return create_voting(voter, options=["a", "b"], model=MODEL, cache=cache, **options)


def guardrail(cache: Cache | None, **options: Any) -> Graph:
    return create_guardrail(
        str, [Guard("g", "Judge."), Guard("h", "Judge too.")], model=MODEL, cache=cache, **options
    )


PATTERNS = pytest.mark.parametrize("make", [sectioning, voting, guardrail])


def answer(request: ChatRequest) -> Any:
    if "Vote." in request.text:
        return {"ballot": "aabbaaa"[request.seen % 7]}
    if "Judge" in request.text:
        return {"tripped": False, "reason": "fine"}
    if request.body.get("response_format"):
        return {"score": 1, "why": "so"} if "why" in str(request.body) else {"score": 1}
    return f"heard {request.messages[-1]['content']}"


@pytest.fixture
def server(server: StubServer) -> StubServer:
    server.on("", answer)
    return server


def told(state: dict[str, Any]) -> Any:
    """Give what a report says of the branches, without what a cached reply saves."""
    return [(b["index"], b["name"], b["status"], b["output"]) for b in state["report"]["branches"]]


class TestHits:
    @BOTH
    @PATTERNS
    def test_a_second_run_asks_nobody_and_reports_the_same(
        self, server: StubServer, cache: Cache, make: Callable[..., Graph], mode: str
    ) -> None:
        first = run(make(cache), {"input": "x"}, mode)
        asked = len(server.requests)
        second = run(make(cache), {"input": "x"}, mode)
        assert len(server.requests) == asked
        assert (second["output"], told(second)) == (first["output"], told(first))
        assert second["report"]["usage"]["calls"] == 0
        kept = [b.get("cached", False) for b in second["report"]["branches"]]
        assert kept == [b["name"] != "respond" for b in second["report"]["branches"]]
        assert not any("cached" in b for b in first["report"]["branches"])

    @BOTH
    @PATTERNS
    def test_turns_of_a_thread_neither_mix_nor_go_stale(
        self, server: StubServer, make: Callable[..., Graph], mode: str
    ) -> None:
        graph = make(InMemoryCache(), checkpointer=InMemorySaver())
        config = RunnableConfig(configurable={"thread_id": "1"})
        states = [run(graph, {"input": text}, mode, config) for text in ("x", "y", "x")]
        assert told(states[0]) == told(states[2])
        assert states[2]["report"]["usage"]["calls"] == 0

    @BOTH
    def test_only_what_is_new_is_asked(self, server: StubServer, cache: Cache, mode: str) -> None:
        run(sectioning(cache, "ab"), {"input": "x"}, mode)
        state = run(sectioning(cache, "abc"), {"input": "x"}, mode)
        assert (set(state["output"]), len(server.requests)) == (set("abc"), 3)

    @BOTH
    def test_samples_of_one_voter_are_kept_apart(self, server: StubServer, mode: str) -> None:
        cache: Cache = InMemoryCache()
        states = [run(voting(cache), {"input": "x"}, mode) for _ in range(2)]
        assert len(server.requests) == states[0]["report"]["calls"]["started"] == 7
        for state in states:
            assert state["report"]["counts"] == {"a": 5, "b": 2}

    @BOTH
    def test_a_graph_around_lends_its_cache_to_what_is_inside(
        self, server: StubServer, mode: str
    ) -> None:
        cache: Cache = InMemoryCache()
        for _ in range(2):
            graph = create_sectioning([Section("in", run=sectioning(None))], cache=cache)
            run(graph, {"input": "x"}, mode)
        assert len(server.requests) == 2

    @BOTH
    def test_a_graph_that_you_compile_yourself_uses_its_cache(
        self, server: StubServer, mode: str
    ) -> None:
        cache: Cache = InMemoryCache()
        for _ in range(2):
            graph = build_sectioning([Section("a", "Look.")], model=MODEL).compile(cache=cache)
            run(graph, {"input": "x"}, mode)
        assert len(server.requests) == 1


class Score(BaseModel):
    score: int


class Grade(BaseModel):
    score: int
    why: str


class TestKeys:
    def other(self, server: StubServer, **options: Any) -> ChatOpenAI:
        parts: dict[str, Any] = {"model": "m", "base_url": server.url + "/v1", **options}
        stub: dict[str, Any] = {"api_key": SecretStr("stub"), "default_headers": NOT_KEPT}
        return ChatOpenAI(max_retries=0, **stub, **parts)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ({"name": "a"}, {"name": "b"}),
            ({"prompt": "Look."}, {"prompt": "Look!"}),
            ({"input": "x"}, {"input": "y"}),
            ({"input": {"a": 1}}, {"input": {"a": "1"}}),
            ({"schema": Score}, {"schema": None}),
            ({"schema": Score}, {"schema": Grade}),
            ({"model": {}}, {"model": {"temperature": 0.5}}),
            ({"model": {}}, {"model": {"model": "n"}}),
            ({"model": {}}, {"model": None}),
        ],
    )
    def test_what_differs_in_anything_that_matters_is_asked_again(
        self, server: StubServer, first: dict[str, Any], second: dict[str, Any]
    ) -> None:
        cache: Cache = InMemoryCache()
        for parts in (first, first, second, second):
            own = {"name": "a", "prompt": "Look.", "schema": None, "model": None, **parts}
            model = MODEL if own["model"] is None else self.other(server, **own["model"])
            section = Section(own["name"], own["prompt"], schema=own["schema"], model=model)
            graph = create_sectioning([section], aggregate="merge", cache=cache)
            run(graph, {"input": parts.get("input", "x")})
        assert len(server.requests) == 2

    def test_the_address_of_the_server_matters(
        self, server: StubServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache: Cache = InMemoryCache()
        for host in ("127.0.0.1", "localhost", "127.0.0.1"):
            address = server.url.replace("127.0.0.1", host)
            monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
            model = ChatOpenAI(model="m", max_retries=0, default_headers=NOT_KEPT)
            section = Section("a", "Look.", model=model)
            run(create_sectioning([section], cache=cache), {"input": "x"})
        assert len(server.requests) == 2

    def test_neither_prompt_nor_key_is_in_the_cache_in_plain(self, server: StubServer) -> None:
        cache: InMemoryCache[Any] = InMemoryCache()
        model = chat_model(server)
        graph = create_sectioning([Section("a", "My secret.", model=model)], cache=cache)
        run(graph, {"input": "x"})
        assert cache._cache
        assert "secret" not in repr(cache._cache)


class TestNotKept:
    @BOTH
    @pytest.mark.usefixtures("no_waits")
    def test_a_failure_is_not_kept(self, server: StubServer, mode: str) -> None:
        cache: Cache = InMemoryCache()
        bad = Section("bad", "Fail.", required=False)
        server._rules.insert(0, Rule("Fail.", Reply(status=401)))
        for _ in range(2):
            graph = create_sectioning([bad, Section("a", "Look.")], model=MODEL, cache=cache)
            assert statuses(run(graph, {"input": "x"}, mode)) == {"bad": "error", "a": "ok"}
        assert (server.count("Fail."), server.count("Look.")) == (2, 1)

    def test_a_function_is_run_each_time(self) -> None:
        calls: list[str] = []
        cache: Cache = InMemoryCache()
        for _ in range(2):
            graph = create_sectioning([Section("a", run=calls.append)], cache=cache)
            run(graph, {"input": "x"})
        assert calls == ["x", "x"]

    @BOTH
    def test_a_cache_that_fails_is_done_without(self, server: StubServer, mode: str) -> None:
        class Broken(InMemoryCache[Any]):
            def get(self, keys: Any) -> Any:
                raise ConnectionError("no cache")

        graph = sectioning(Broken(), "a")
        with pytest.warns(RuntimeWarning, match="cache failed, and was done without: Connection"):
            assert run(graph, {"input": "x"}, mode)["output"] == {"a": "heard x"}


def test_without_a_cache_nothing_is_kept(server: StubServer) -> None:
    for _ in range(2):
        run(sectioning(None, "a"), {"input": "x"})
    assert len(server.requests) == 2
