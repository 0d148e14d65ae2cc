"""A server that says when to come back is believed, within bounds."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from drive import MODEL, run, statuses
from stub_server import Reply, StubServer
from tenacity import RetryCallState

from langgraph_parallel import Section, create_sectioning
from langgraph_parallel.nodes import attempt, backoff
from langgraph_parallel.nodes.backoff import LONGEST_WAIT, is_worth_a_retry, retry_after

BOTH = pytest.mark.parametrize("mode", ["invoke", "ainvoke"])


class BusyError(Exception):
    """An error as HTTP clients raise it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__("busy")
        self.status_code = 429
        self.response = type("Response", (), {"headers": headers, "status_code": 429})()


def date_in(seconds: float) -> str:
    moment = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return format_datetime(moment.replace(microsecond=0), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_a_number_of_seconds_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(BusyError(headers)) == seconds


def test_a_date_is_read() -> None:
    seconds = retry_after(BusyError({"retry-after": date_in(30)}))
    assert seconds is not None
    assert 25 < seconds <= 30
    assert retry_after(BusyError({"retry-after": date_in(-30)})) == 0.0
    assert retry_after(ValueError("no response")) is None


@pytest.mark.parametrize(("asked", "is_tried"), [(LONGEST_WAIT, True), (LONGEST_WAIT + 1, False)])
def test_a_wait_that_is_too_long_is_no_retry(asked: float, is_tried: bool) -> None:
    assert is_worth_a_retry(BusyError({"retry-after": str(asked)})) is is_tried


def test_calls_do_not_all_come_back_at_once() -> None:
    state: Any = type("State", (), {"outcome": None, "attempt_number": 1})()
    state.outcome = type("Outcome", (), {"exception": lambda _: BusyError({"retry-after": "8"})})()
    waits = [backoff.wait_before_retry(state) for _ in range(50)]
    assert all(8 <= wait <= 10 for wait in waits)
    assert len(set(waits)) > 1


@BOTH
@pytest.mark.usefixtures("no_waits")
def test_a_branch_waits_as_long_as_the_server_asks(
    server: StubServer, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    waits: list[float] = []

    def wait(state: RetryCallState) -> float:
        waits.append(backoff.wait_before_retry(state))
        return 0.0

    monkeypatch.setattr(attempt, "wait_before_retry", wait)
    busy = Reply(status=429, headers={"Retry-After": "20"})
    server.on(lambda request: request.seen == 0, busy)
    server.on(lambda request: request.seen == 1, Reply(status=503))
    server.on("", "fine")
    state = run(create_sectioning([Section("a", "Look.")], model=MODEL), {"input": "x"}, mode)
    assert (waits[0], len(waits), waits[1] < 9) == (20.0, 2, True)
    assert state["report"]["branches"][0]["attempts"] == len(server.requests) == 3


@BOTH
def test_a_server_that_is_busy_for_long_is_asked_once(server: StubServer, mode: str) -> None:
    server.on("", Reply(status=429, headers={"Retry-After": "3600"}))
    sections = [Section("a", "Look.", required=False)]
    state = run(create_sectioning(sections, model=MODEL), {"input": "x"}, mode)
    assert (statuses(state), len(server.requests)) == ({"a": "error"}, 1)
