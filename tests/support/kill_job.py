"""A run that is killed and resumed: what happens in the processes."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph.state import CompiledStateGraph

from langgraph_parallel import Section, aresume, create_sectioning, resume

BRANCHES = [f"b{number:02}" for number in range(20)]


def make(saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Make the graph of twenty branches."""
    sections = [Section(name, f"Branch {name} of {{input}}.") for name in BRANCHES]
    return create_sectioning(
        sections,
        model="openai:stub-model",
        aggregate="merge",
        max_concurrency=4,
        checkpointer=saver,
    )


def thread(job: str) -> RunnableConfig:
    """Give the config of a job."""
    return RunnableConfig(configurable={"thread_id": job})


@contextmanager
def saver_at(address: str) -> Iterator[BaseCheckpointSaver[Any]]:
    """Open the checkpoints of a SQLite file or a PostgreSQL database."""
    if address.startswith("postgresql:"):
        with PostgresSaver.from_conn_string(address) as saver:
            yield saver
    else:
        with SqliteSaver.from_conn_string(address) as saver:
            yield saver


@asynccontextmanager
async def async_saver_at(address: str) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """Open the same checkpoints for async code."""
    if address.startswith("postgresql:"):
        async with AsyncPostgresSaver.from_conn_string(address) as saver:
            yield saver
    else:
        async with AsyncSqliteSaver.from_conn_string(address) as saver:
            yield saver


def run_job(job: str, address: str, url: str, is_async: bool, talk: Connection) -> None:
    """Run a job or go on with it, in a process of its own.

    It says "begun" just before, and gives the answer at the end.

    Args:
        job: The job's name.
        address: Where the checkpoints are.
        url: The stub server's.
        is_async: Whether to use `aresume`.
        talk: Where it says so.
    """
    os.environ.update(OPENAI_BASE_URL=f"{url}/v1", OPENAI_API_KEY="stub")
    given = {"input": job}

    async def work() -> Any:
        async with async_saver_at(address) as saver:
            graph = make(saver)
            talk.send("begun")
            return await aresume(graph, given, thread(job))

    if is_async:
        state = asyncio.run(work())
    else:
        with saver_at(address) as saver:
            graph = make(saver)
            talk.send("begun")
            state = resume(graph, given, thread(job))
    talk.send(state["output"])
