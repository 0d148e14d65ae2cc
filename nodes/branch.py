"""What a branch is: its description, and what came of it."""

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from pydantic import BaseModel
from typing_extensions import NotRequired, TypedDict

from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.models import ModelLike

Status = Literal["ok", "error", "timeout", "cancelled"]
"""How a branch ended."""


class Usage(TypedDict):
    """What a branch or a run consumed."""

    calls: int
    """Model calls started."""
    input_tokens: int
    """Tokens that the models read."""
    output_tokens: int
    """Tokens that they wrote."""
    partial: bool
    """True when a call was cut off or failed, so that its tokens are estimates at most."""
    cost: NotRequired[float]
    """US dollars at the provider's list prices; left out if that of a call is not known."""


class ReportedBranch(TypedDict):
    """What came of one branch, as it stands in the report."""

    index: int
    """Number of the branch in its dispatch."""
    name: str
    """The branch's name."""
    status: Status
    """`"ok"`, `"error"`, `"timeout"` or `"cancelled"`."""
    output: Any
    """Plain JSON-able data; `None` unless `status` is `"ok"`."""
    error: str | None
    """Why it has no output; `None` if it has one."""
    model: str | None
    """Names of the models that it called, with commas between; `None` if it called none."""
    attempts: int
    """Times that the work was tried."""
    started: float
    """Seconds from the dispatch to the moment when the branch began to work."""
    seconds: float
    """Seconds of work, retries included, waiting for a free place not included."""
    usage: Usage
    """What it consumed."""
    first_token: NotRequired[float]
    """Seconds from the dispatch to the first piece of the reply; left out if none was streamed."""
    cached: NotRequired[bool]
    """True when the reply came from a cache; else left out."""


class BranchResult(ReportedBranch):
    """What came of one branch, with what only the state needs."""

    dispatch: str
    """Id of the dispatch."""
    message_id: NotRequired[str]
    """Id of the message that was streamed."""
    denied: NotRequired[dict[str, Any]]
    """Guardrail: how the guards of the answer denied it."""


@dataclass(frozen=True)
class Branch:
    """One of the things that run side by side: a prompt for a model, or a `run` of yours."""

    name: str
    """The branch's name: its node in the graph, and its entry in the report."""
    prompt: str | None = None
    """What the model is told. `{input}`, or `{field}` of a dict input, stand for the input;
    without them the prompt is the system message and the input the user's message."""
    _: KW_ONLY
    model: ModelLike = None
    """A chat model or a model string; the pattern's own when left out."""
    schema: type[BaseModel] | None = None
    """Pydantic model of the reply: structured output."""
    run: Any = None
    """Instead of a prompt: a Runnable, a compiled graph, or a sync or async function of the input.
    A function may also ask by name for `config` (a `RunnableConfig`) and `runtime` (a LangGraph
    `Runtime`): it gets them if it has parameters of these names."""
    timeout: float | None = None
    """Seconds that the branch may work, retries included; `None` for no limit."""

    def __post_init__(self) -> None:
        """Check what can be known before any call.

        Raises:
            SetupError: The name cannot be a node's, there is not exactly one of prompt and run,
                or an option is out of its range.
        """
        kind = type(self).__name__
        if not isinstance(self.name, str) or not re.fullmatch(r"[^\s:|{}<>][^:|{}<>]*", self.name):
            raise SetupError(
                f"{kind} name {self.name!r} cannot be a node's name. Give a name without any of "
                ": | { } < >, as in 'security'."
            )
        if (self.prompt is None) == (self.run is None):
            has = "neither" if self.prompt is None else "both"
            raise SetupError(
                f"{kind} {self.name!r} has {has} of `prompt` and `run`. Give a prompt for a model, "
                "or a run: a Runnable, a function or a compiled graph."
            )
        if self.prompt is not None and not isinstance(self.prompt, str):
            raise SetupError(
                f"{kind} {self.name!r} has a prompt of type {type(self.prompt).__name__}. Give "
                "text, or a run= instead."
            )
        if self.prompt is not None and not self.prompt.strip():
            raise SetupError(f"{kind} {self.name!r} has an empty prompt. Say what it should do.")
        if self.run is not None and self.schema is not None:
            raise SetupError(
                f"{kind} {self.name!r} has a `schema` beside a `run`. A schema shapes the reply to "
                "a prompt; have the run return the data itself."
            )
        if self.run is not None and not (callable(self.run) or hasattr(self.run, "invoke")):
            raise SetupError(
                f"{kind} {self.name!r} has a run of type {type(self.run).__name__}, which cannot "
                "be called. Give a Runnable, a function or a compiled graph."
            )
        if self.schema is not None and not (
            isinstance(self.schema, type) and issubclass(self.schema, BaseModel)
        ):
            raise SetupError(
                f"{kind} {self.name!r} has the schema {self.schema!r}. Give a Pydantic model class."
            )
        if self.timeout is not None and not self.timeout > 0:
            raise SetupError(
                f"{kind} {self.name!r} has timeout={self.timeout}. Give seconds above 0, or None "
                "for no limit."
            )


def check_retries(retries: int) -> None:
    """Check the number of retries.

    Raises:
        SetupError: It is below 0.
    """
    if retries < 0:
        raise SetupError(f"retries={retries} would never try. Give a number from 0 up.")


def check_names(kind: str, names: Sequence[str], reserved: Sequence[str]) -> None:
    """Check the names of a pattern's branches.

    Args:
        kind: What the branches are, for the message: "section", "voter" or "guard".
        names: Their names.
        reserved: Names that the graph needs for its own nodes and state keys.

    Raises:
        SetupError: No branches, two of one name, or a reserved name.
    """
    if not names:
        raise SetupError(f"No {kind}s were given. Give at least one {kind}.")
    for name in names:
        if names.count(name) > 1:
            raise SetupError(
                f"{names.count(name)} {kind}s are named {name!r}. Names must differ: they are the "
                "nodes of the graph. Rename all but one."
            )
        if name in reserved:
            raise SetupError(
                f"A {kind} is named {name!r}, which the graph uses itself. Reserved names: "
                f"{', '.join(sorted(reserved))}. Choose another."
            )
