"""Stops by name, and the presets."""

from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_parallel.aggregators.stops import ahead_by, beta, first_to, fixed, settled
from langgraph_parallel.aggregators.types import Rule, Stop
from langgraph_parallel.errors import SetupError

PRESETS: Mapping[str, tuple[str, int]] = {
    "quick": ("ahead_by_2", 15),
    "standard": ("ahead_by_3", 15),
    "careful": ("beta", 39),
}
"""Stop and readable ballots at most of each preset; `make bench-voting` shows what they cost."""

_NUMBERED = {"ahead_by": ahead_by, "first_to": first_to, "fixed": fixed}


def stop_named(name: str, rule: Rule, options: Sequence[Any] = (), size: int | None = None) -> Stop:
    """Build a stop from its name.

    Args:
        name: `settled`, `beta`, or `ahead_by_K`, `first_to_K` or `fixed_N` with whole numbers; or a
            preset.
        rule: The rule, for `settled`.
        options: The closed list of labels, for `settled`.
        size: The size of the panel, for `settled`.

    Raises:
        SetupError: Unknown name.

    Example:
        >>> from langgraph_parallel import plurality
        >>> stop_named("ahead_by_2", plurality())({"a": 2}, 2, 15)
        True
    """
    if name in PRESETS:
        name = PRESETS[name][0]
    if name == "settled":
        return settled(rule, options, size)
    base, _, number = name.rpartition("_")
    if base in _NUMBERED and number.isdecimal():
        return _NUMBERED[base](int(number))
    if name == "beta":
        return beta()
    raise SetupError(
        f"Unknown stop {name!r}. Allowed: {', '.join(map(repr, PRESETS))}, 'settled', 'beta', "
        "'ahead_by_K' such as 'ahead_by_3', 'first_to_K', 'fixed_N' such as 'fixed_5', or a "
        "function of your own (counts, n, cap) -> bool."
    )
