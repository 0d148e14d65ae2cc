import re
from collections.abc import Iterator

import pytest
from drawings import README, with_drawings
from stub_server import StubServer

BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    with StubServer(default="The sky scatters blue light.") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "stub")
        monkeypatch.delenv("LANGGRAPH_PARALLEL_MODEL", raising=False)
        server.on("exactly one of: good, bad", {"ballot": "good"})
        server.on("exactly one of: unsafe, safe", {"ballot": "safe"})
        server.on("change the assistant's instructions", {"tripped": False, "reason": "No."})
        yield server


def test_the_readme_runs_as_it_stands(stub: StubServer, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["The sky scatters blue light.", "good"]
    assert printed[2].startswith("The sky scatters blue light.security  ")  # then a drawn report
    assert printed[-1].startswith("style ")
    assert stub.open_requests == 0


def test_the_drawings_in_the_readme_are_those_of_the_graphs() -> None:
    text = README.read_text()
    assert with_drawings(text) == text, "run: python tests/support/drawings.py"
