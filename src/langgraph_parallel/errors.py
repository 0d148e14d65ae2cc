"""Errors that the library raises.

```
ParallelPatternError
├── SetupError             also a ValueError
├── ModelUnavailableError  also a RuntimeError
├── BranchFailedError      also a RuntimeError
├── GuardrailTripped       also a RuntimeError
└── UndecidedError         also a RuntimeError
```

`SetupWarning` warns, when a graph is built, of options that work and are hardly meant.

Every message says what was wrong, with the value; what is allowed; what to do.
"""

from collections.abc import Mapping
from typing import Any


class ParallelPatternError(Exception):
    """Base of all errors of this library."""


class SetupError(ParallelPatternError, ValueError):
    """Options or input that cannot work; raised before any model is called."""


class SetupWarning(UserWarning):
    """Options that are valid but probably a mistake; shown when a graph is built."""


class ModelUnavailableError(ParallelPatternError, RuntimeError):
    """No model is configured, installed or reachable."""


class _ReportedError(ParallelPatternError, RuntimeError):
    """An error that ends a run, and carries its report."""

    report: Mapping[str, Any]
    """The report of the run."""
    advice: str
    """The end of the message: what can be done in Python. The command line leaves it out."""

    def __init__(
        self, message: str, report: Mapping[str, Any] | None = None, advice: str = ""
    ) -> None:
        super().__init__(f"{message} {advice}".rstrip())
        self.report = report or {}
        self.advice = advice


class BranchFailedError(_ReportedError):
    """A branch that the pattern needs has failed after its retries."""

    report: Mapping[str, Any]
    """The report of the run, with every branch that did finish."""


class GuardrailTripped(_ReportedError):  # noqa: N818
    """A guardrail withheld the answer and `on_block` is `"raise"`.

    Example:
        ```python
        try:
            state = chat.invoke({"input": text})
        except GuardrailTripped as stop:
            print(stop.report["verdict"], stop.report["blocked_by"])
        ```
    """

    report: Mapping[str, Any]
    """The report of the run; its `verdict` tells a trip from a guard that could not judge."""


class UndecidedError(_ReportedError):
    """The ballots gave no decision, nor a judge, and there is no default."""

    report: Mapping[str, Any]
    """The report of the run, with every ballot."""
