"""What the way of calling costs: wall time and CPU per call, beside `asyncio.gather`.

The stub server runs in another process. All ways take turns, and each ratio is a median of the
ratios of one turn.
"""

import asyncio
import gc
import operator
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median
from typing import Annotated, Any

import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import SecretStr
from stub_process import stub_process
from stub_server import Reply
from typing_extensions import TypedDict

from langgraph_parallel import Section, create_sectioning

Row = dict[str, str]
Call = Callable[[], Awaitable[Any]]
PROMPT, QUESTION = "Look at it.", "x"
RUNS = {3: 5, 100: 2}
"""Runs in one turn, by number of branches."""
TURNS = 5
LONGEST = 120.0
"""Seconds after which something hangs."""
WIDE = 10
"""Branches from which this library is given a function instead of a list: a dynamic fan-out."""


def _gather(model: BaseChatModel, width: int) -> Call:
    async def call() -> list[str]:
        messages = [("system", PROMPT), ("user", QUESTION)]
        replies = await asyncio.gather(*(model.ainvoke(messages) for _ in range(width)))
        return [reply.text for reply in replies]

    return call


def _gather_openai(client: openai.AsyncOpenAI, width: int) -> Call:
    async def one() -> str:
        reply = await client.chat.completions.create(
            model="stub-model",
            messages=[
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": QUESTION},
            ],
        )
        return reply.choices[0].message.content or ""

    async def call() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(width)))

    return call


def _abatch(model: BaseChatModel, width: int) -> Call:
    inputs: list[Any] = [[("system", PROMPT), ("user", QUESTION)]] * width

    async def call() -> list[str]:
        return [reply.text for reply in await model.abatch(inputs)]

    return call


class State(TypedDict):
    """The state of the map-reduce graph."""

    input: str
    results: Annotated[list[str], operator.add]


def _send(model: BaseChatModel, width: int) -> Call:
    async def section(task: dict[str, str]) -> dict[str, list[str]]:
        reply = await model.ainvoke([("system", PROMPT), ("user", task["input"])])
        return {"results": [reply.text]}

    async def fan_out(state: State) -> list[Send]:
        return [Send("section", {"input": state["input"]}) for _ in range(width)]

    graph: Any = StateGraph(State)
    graph.add_node("section", section)
    graph.add_conditional_edges(START, fan_out, ["section"])
    graph.add_edge("section", END)
    compiled = graph.compile()

    async def call() -> list[str]:
        return list((await compiled.ainvoke({"input": QUESTION}))["results"])

    return call


def _ours(model: BaseChatModel | str, width: int) -> Call:
    def sections(_: str) -> list[Section]:
        return [Section(f"s{i}", PROMPT) for i in range(width)]

    graph = create_sectioning(
        sections("") if width < WIDE else sections,
        model=model,
        aggregate=len,
        max_concurrency=width,
    )

    async def call() -> list[str]:
        report = (await graph.ainvoke({"input": QUESTION}))["report"]
        return [branch["output"] for branch in report["branches"]]

    return call


def _ways(url: str, width: int, stack: AsyncExitStack) -> dict[str, Call]:
    def model(**options: Any) -> ChatOpenAI:
        key = SecretStr("stub")
        made = ChatOpenAI(model="stub-model", base_url=url, api_key=key, **options)
        stack.push_async_callback(made.root_async_client.close)
        return made

    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY="stub")  # for this library's own model
    client = openai.AsyncOpenAI(base_url=url, api_key="stub")
    stack.push_async_callback(client.close)
    http = openai.DefaultAioHttpClient()
    over_aiohttp = model(http_async_client=http, http_socket_options=())
    return {
        "by hand: gather, ChatOpenAI": _gather(model(), width),
        "by hand: gather, AsyncOpenAI": _gather_openai(client, width),
        "by hand: gather, ChatOpenAI over aiohttp": _gather(over_aiohttp, width),
        "LangChain: abatch, ChatOpenAI": _abatch(model(), width),
        "LangGraph: Send, ChatOpenAI": _send(model(), width),
        "langgraph-parallel, the same ChatOpenAI": _ours(model(), width),
        "langgraph-parallel, its own (aiohttp)": _ours("openai:stub-model", width),
    }


async def _measure(url: str, width: int) -> dict[str, tuple[float, float, float]]:
    """Give the wall milliseconds of a run, and wall and CPU relative to the first way."""
    async with AsyncExitStack() as stack:
        return await _take_turns(_ways(url, width, stack), width)


async def _take_turns(ways: dict[str, Call], width: int) -> dict[str, tuple[float, float, float]]:
    for call in ways.values():
        for _ in range(2):
            await call()
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(TURNS):
        names = list(ways)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(RUNS[width]):
                if len(await ways[name]()) != width:
                    raise RuntimeError(f"{name} lost a branch")
            walls[name].append((time.perf_counter() - wall) / RUNS[width])
            cpus[name].append((time.process_time() - cpu) / RUNS[width])
    base = next(iter(ways))

    def relative(values: dict[str, list[float]], name: str) -> float:
        return median(own / other for own, other in zip(values[name], values[base], strict=True))

    return {
        name: (1000 * median(walls[name]), relative(walls, name), relative(cpus, name))
        for name in ways
    }


def rows() -> list[Row]:
    """Measure all ways of calling."""
    table: dict[str, Row] = {}
    for delay in (0.0, 0.05):
        for width in RUNS:
            with stub_process(Reply("fine", delay=delay)) as url:
                found = asyncio.run(asyncio.wait_for(_measure(url, width), LONGEST))
            for name, (wall, walls, cpus) in found.items():
                row = table.setdefault(name, {"way": name})
                title = f"{width} x {1000 * delay:.0f} ms:"
                row[f"{title} ms"] = f"{wall:.0f}"
                row["wall" + " " * len(row)] = f"{walls:.2f}"
                row["CPU" + " " * len(row)] = f"{cpus:.2f}"
    return list(table.values())
