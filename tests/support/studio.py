"""The ready-made graphs behind LangGraph's development server, as Studio sees them."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dev_server import dev_server
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from stub_schema import minimal_instance
from stub_server import ChatRequest, StubServer
from stub_types import Content

Case = TypeVar("Case")
T = TypeVar("T")

CONFIG = Path(__file__).parents[2] / "langgraph.json"

BRANCHES: Mapping[str, list[str]] = {
    "code_review": ["security", "performance", "style"],
    "response_evaluation": ["accuracy", "tone", "relevance", "safety"],
    "classify": ["classifier"],
    "vulnerability_scan": ["injection", "access", "data"],
    "moderation": ["toxicity", "harm", "legality", "audience"],
    "safe_respond": ["injection", "harm", "respond"],
    "guarded_agent": [
        "chat:safety:manipulation",
        "chat:safety:misuse",
        "chat:safety:care",
        "chat:respond",
        "evaluate:accuracy",
        "evaluate:tone",
        "evaluate:relevance",
        "evaluate:safety",
    ],
}
"""The nodes that run branches, by graph, as the drawing names them."""

ENDS: Mapping[str, list[str]] = {
    "code_review": ["reduce"],
    "response_evaluation": ["reduce"],
    "classify": ["tally"],
    "vulnerability_scan": ["tally"],
    "moderation": ["tally"],
    "safe_respond": ["verdict"],
    "guarded_agent": ["chat:safety:tally", "chat:verdict", "evaluate:reduce"],
}
"""The nodes that put the branches together."""

QUESTION = "Why is the sky blue?"
GIVEN: Mapping[str, dict[str, Any]] = {
    "code_review": {"input": "x = 1"},
    "response_evaluation": {"input": {"question": QUESTION, "answer": "Air scatters light."}},
    "classify": {"input": "It does what it says."},
    "vulnerability_scan": {"input": "x = 1"},
    "moderation": {"input": "Good morning."},
    "safe_respond": {"input": QUESTION},
    "guarded_agent": {"messages": [{"role": "user", "content": QUESTION}]},
}
"""An input of each graph."""

ANSWER = "All is well."


def harmless(request: ChatRequest) -> Content:
    """Answer as somebody who finds nothing: the last label, no trip, no findings."""
    if request.schema is None:
        return ANSWER
    reply: dict[str, Any] = minimal_instance(request.schema)
    if "ballot" in reply:
        reply["ballot"] = request.schema["properties"]["ballot"]["enum"][-1]
    return reply


@dataclass(frozen=True)
class Studio:
    """A client of the development server, and the stub server that its graphs call."""

    client: SyncLangGraphClient
    stub: StubServer

    def assistant(self, graph: str) -> dict[str, Any]:
        """Give the assistant that the server makes for a graph."""
        (found,) = self.client.assistants.search(graph_id=graph, metadata={"created_by": "system"})
        return dict(found)

    def schema(self, graph: str, kind: str) -> dict[str, Any]:
        """Give a schema of a graph: `input`, `output`, `state` or `context`."""
        schemas: Any = self.client.assistants.get_schemas(self.assistant(graph)["assistant_id"])
        return dict(schemas[f"{kind}_schema"])

    def drawing(self, graph: str) -> tuple[list[str], set[tuple[str, str]]]:
        """Give the nodes and edges that are drawn."""
        drawing: Any = self.client.assistants.get_graph(
            self.assistant(graph)["assistant_id"], xray=True
        )
        edges = {(edge["source"], edge["target"]) for edge in drawing["edges"]}
        return [node["id"] for node in drawing["nodes"]], edges

    def run(self, graph: str, **settings: Any) -> dict[str, Any]:
        """Run a graph to its end and give its output state.

        Raises:
            Exception: The run failed; the message says why.
        """
        state = self.client.runs.wait(None, graph, input=GIVEN[graph], context=settings)
        assert isinstance(state, dict)
        return state

    def stream(self, graph: str, modes: Any, **settings: Any) -> Iterator[tuple[str, str, Any]]:
        """Stream a run on a new thread.

        Gives mode, path of the nested graph, such as `chat:safety`, and data.
        """
        parts = self.client.runs.stream(
            self.client.threads.create()["thread_id"],
            graph,
            input=GIVEN[graph],
            context=settings,
            stream_mode=modes,
            stream_subgraphs=True,
        )
        for part in parts:
            yield (*_where(part.event), part.data)

    def asked(self, model: str, words: str = "") -> int:
        """Count the requests to a model that have these words."""
        return self.stub.count(lambda request: request.model == model and words in request.text)

    def statuses(self, model: str) -> list[str]:
        """Give how the requests to a model ended."""
        return [one.status for one in self.stub.requests if one.request.model == model]


def at_once(function: Callable[[Case], T], cases: Iterable[Case]) -> dict[Case, "Future[T]"]:
    """Do the same for all cases, side by side: the server looks for new runs once a second."""
    with ThreadPoolExecutor(10) as pool:
        return {case: pool.submit(function, case) for case in cases}


def _where(event: str) -> tuple[str, str]:
    mode, *path = event.split("|")
    return mode, ":".join(part.partition(":")[0] for part in path)


@contextmanager
def open_studio(folder: Path) -> Iterator[Studio]:
    """Serve the ready-made graphs."""
    shutil.copy(CONFIG, folder)
    with (
        StubServer(default=harmless) as stub,
        dev_server(folder, stub) as address,
        get_sync_client(url=address) as client,
    ):
        yield Studio(client, stub)
