"""What all tests share."""

import signal
from collections.abc import Iterator

import pytest
from drive import KEY
from stub_server import StubServer
from studio import Studio, open_studio

from langgraph_parallel.nodes import dispatch


@pytest.fixture(scope="session", autouse=True)
def _as_from_a_terminal() -> Iterator[None]:
    """Hear Ctrl-C, here and in new processes, also where a shell started this one to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    """The stub server behind models named `openai:NAME`; afterwards nothing may be left running."""
    monkeypatch.delenv("LANGGRAPH_PARALLEL_MODEL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with StubServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/v1")
        yield server
        server.wait_until(lambda log: log.open_requests == 0)
    # A run that is cancelled between two nodes leaves an idle entry, which a later run removes.
    left = [live for live in dispatch._live.values() if live._working]
    dispatch._live.clear()
    assert left == []


@pytest.fixture
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let retries follow at once: the waits between them are drawn at random from 0 up."""
    monkeypatch.setattr("random.uniform", lambda low, _: low)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The ready-made graphs behind a development server."""
    with open_studio(tmp_path_factory.mktemp("studio")) as studio:
        yield studio
