"""What all tests share."""

from collections.abc import Iterator

import pytest
from stub_server import StubServer

from langgraph_parallel.nodes import dispatch

KEY = "sk-stub-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    """The stub server behind models named `openai:NAME`; afterwards nothing may be left running."""
    monkeypatch.delenv("LANGGRAPH_PARALLEL_MODEL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with StubServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        yield server
        server.wait_until(lambda log: log.open_requests == 0)
    assert not dispatch._live
