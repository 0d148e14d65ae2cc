"""Whether a call is tried again, and how long to wait before that."""

import random
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, wait_random_exponential

from langgraph_parallel.nodes.explain import is_transient

LONGEST_WAIT = 60.0
"""Seconds: a server that asks for a longer wait is not asked again."""

_SPREAD = 0.25
"""Share of a wait that a server asked for by which calls are spread, so that they do not all come
back at once."""

_own_wait = wait_random_exponential(multiplier=0.5, max=8)


def is_worth_a_retry(error: BaseException) -> bool:
    """Say whether the same call may succeed soon when it is made again."""
    return is_transient(error) and (retry_after(error) or 0.0) <= LONGEST_WAIT


def wait_before_retry(state: RetryCallState) -> float:
    """Give the seconds to wait: what the server asks for, or exponentially more, at random."""
    error = state.outcome.exception() if state.outcome else None
    asked = None if error is None else retry_after(error)
    if asked is None:
        return _own_wait(state)
    return asked + random.uniform(0.0, max(asked, 1.0) * _SPREAD)  # noqa: S311


def retry_after(error: BaseException) -> float | None:
    """Give the seconds that a server asks to wait, from the headers of its response.

    Args:
        error: What the call raised, with the `response` as the HTTP clients put it there.

    Returns:
        Seconds from `retry-after-ms`, or from `retry-after`, a number of seconds or an HTTP date.
        `None` where there is no such header or it cannot be read.
    """
    headers = getattr(getattr(error, "response", None), "headers", None)
    if not isinstance(headers, Mapping):
        return None
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    return _until(text) if seconds is None else seconds


def _number(text: object) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return max(number, 0.0) if number < float("inf") else None


def _until(text: object) -> float | None:
    try:
        moment = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max((moment - datetime.now(timezone.utc)).total_seconds(), 0.0)
