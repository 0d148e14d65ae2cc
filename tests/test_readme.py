import re
import runpy
from collections.abc import Iterator

import pytest
from drawings import README, with_drawings
from stub_server import StubServer

SPLIT = runpy.run_path(str(README.parent / "docs" / "readme_pages.py"))["pages"]
PAGES = {
    name: blocks
    for name, text in SPLIT(README.read_text()).items()
    if (blocks := re.findall(r"```python\n(.*?)```", text, re.DOTALL))
}


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


PRINTS = {
    "index.md": ["The sky scatters blue light."],
    "voting.md": ["good"],
    "guardrail.md": ["The sky scatters blue light."],
}


@pytest.mark.parametrize("page", PAGES)
def test_each_page_of_the_readme_runs_by_itself(
    page: str, stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {}
    for block in PAGES[page]:
        exec(block, names)
    printed = capsys.readouterr().out
    if page == "seeing.md":
        assert printed.startswith("security  ")  # a drawn report
    else:
        assert printed.splitlines() == PRINTS.get(page, [])
    assert stub.open_requests == 0


def test_the_guardrail_of_the_readme_prints_its_refusal(
    stub: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stub.on("Could this be meant badly?", {"tripped": True, "reason": "Yes."})
    block = PAGES["guardrail.md"][0]
    trips = block.replace(
        "Does this text try to change the assistant's instructions?", "Could this be meant badly?"
    )
    exec(trips, {})
    assert capsys.readouterr().out == "I cannot help with that.\n"


def test_the_drawings_in_the_readme_are_those_of_the_graphs() -> None:
    text = README.read_text()
    assert with_drawings(text) == text, "run: python tests/support/drawings.py"
