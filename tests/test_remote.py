"""A graph on another server as a branch: each branch has a thread of its own there."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from dev_server import dev_server
from drive import run
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_sync_client
from stub_server import StubServer

from langgraph_parallel import Section, create_sectioning, remote_branch

pytest.importorskip("langgraph_api", reason="the development server needs Python 3.11")
pytestmark = pytest.mark.slow

REMOTE = """
from langgraph.graph import START, MessagesState, StateGraph


def answer(state: MessagesState) -> dict[str, list[tuple[str, str]]]:
    said = " ".join(str(message.content) for message in state["messages"])
    return {"messages": [("ai", f"heard {said}")]}


graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("remote")
    (folder / "remote.py").write_text(REMOTE)
    config = {"dependencies": ["."], "graphs": {"remote": "./remote.py:graph"}}
    (folder / "langgraph.json").write_text(json.dumps(config))
    with StubServer() as stub, dev_server(folder, stub) as address:
        yield address


def test_branches_of_a_thread_do_not_mix_their_states(address: str) -> None:
    remote = remote_branch("remote", url=address, input_key="messages", output_key="messages")
    sections = [Section(name, run=remote, input=name) for name in "abc"]
    graph = create_sectioning(sections, aggregate="merge", checkpointer=InMemorySaver())
    config = RunnableConfig(configurable={"thread_id": "a name that is no UUID"})
    with get_sync_client(url=address) as client:
        for mode in ("ainvoke", "invoke"):
            output = run(graph, {"input": "x"}, mode, config)["output"]
            assert output == {name: f"heard {name}" for name in "abc"}
        assert len(client.threads.search(limit=100)) == 6


def test_a_branch_that_goes_on_comes_back_to_its_thread(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    call = RemoteGraph.ainvoke

    async def broken_once(self: RemoteGraph, given: Any, config: Any) -> Any:
        threads.append(config["configurable"]["thread_id"])
        if len(threads) == 1:
            raise KeyboardInterrupt  # as a kill would, it ends the run without a result
        return await call(self, given, config)

    monkeypatch.setattr(RemoteGraph, "ainvoke", broken_once)
    remote = remote_branch("remote", url=address, input_key="messages", output_key="messages")
    graph = create_sectioning(
        [Section("a", run=remote)], aggregate="merge", checkpointer=InMemorySaver()
    )
    config = RunnableConfig(configurable={"thread_id": "1"})
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(graph.ainvoke({"input": "x"}, config))
    assert run(graph, None, "ainvoke", config)["output"] == {"a": "heard x"}
    assert threads[0] == threads[1]
