"""Hundreds of runs in one process leave nothing behind."""

import os

import leaks
import pytest
from stub_process import stub_process

RUNS = 240
POOL = (os.cpu_count() or 1) + 4
"""Threads that asyncio starts for blocking calls, as they are needed, and keeps."""


@pytest.mark.slow
@pytest.mark.parametrize("name", leaks.PATTERNS)
def test_many_runs_leave_nothing_behind(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with stub_process(leaks.answer) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "stub")
        monkeypatch.delenv("LANGGRAPH_PARALLEL_MODEL", raising=False)
        grown = leaks.growth(leaks.PATTERNS[name], RUNS)
    print(grown)
    assert grown.objects < RUNS / 2  # less than one per run
    assert grown.kilobytes < 20_000
    assert grown.threads <= POOL
    assert (grown.tasks, grown.files, grown.dispatches, grown.held) == (0, 0, 0, 0)
