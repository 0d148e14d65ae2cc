"""The state keys that a pattern reads and writes, and its narrow schemas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    convert_to_messages,
    convert_to_openai_messages,
)
from langgraph.channels import EphemeralValue
from typing_extensions import TypedDict

from langgraph_parallel.aggregators.combine import as_text
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import BranchResult
from langgraph_parallel.nodes.channel import Results
from langgraph_parallel.nodes.dispatch import Dispatch

DISPATCH = "parallel_dispatch"
RESULTS = "parallel_results"
NEXT = "parallel_next"
REPORT = "report"
OWN_KEYS = (DISPATCH, RESULTS, NEXT, REPORT)
"""Keys of the inner state; only the report leaves."""


@dataclass(frozen=True)
class Keys:
    """Which state keys a pattern reads and writes."""

    input: str = "input"
    output: str = "output"
    input_type: Any = Any
    """Type of what is read, for the input's JSON schema."""

    @classmethod
    def of(cls, input_key: str, output_key: str | None, input_type: Any = Any) -> "Keys":
        """Check and complete the two options of a builder.

        Args:
            input_key: The key that is read; `"messages"` reads a conversation.
            output_key: The key that is written; when left out `"output"`, or `"messages"` beside
                the input key `"messages"`.
            input_type: Type of what is read.

        Raises:
            SetupError: A key is empty or one that the graph uses itself, or a conversation is to
                have another type.
        """
        output_key = output_key or ("messages" if input_key == "messages" else "output")
        for option, key in (("input_key", input_key), ("output_key", output_key)):
            if not key.isidentifier() or key in OWN_KEYS:
                raise SetupError(
                    f"{option}={key!r} cannot be a state key. Give a name such as 'text', other "
                    f"than {', '.join(OWN_KEYS)}."
                )
        if input_key == "messages" and input_type is not Any:
            raise SetupError(
                f"input_type={input_type!r} cannot be beside input_key='messages', which is a list "
                "of messages. Leave out one of them."
            )
        return cls(input_key, output_key, input_type)

    def schemas(self, pattern: str) -> tuple[type, type, type]:
        """Build the state, input and output schemas.

        The conversation is a plain list here, not one with a reducer: so the output holds only the
        new message, and a parent of whatever reducer appends it once.

        Args:
            pattern: The pattern's name, from which the schemas get theirs.
        """
        name = pattern.capitalize()
        conversation = {"messages": list[AnyMessage]}
        read: Any = conversation.get(self.input, self.input_type)
        written: Any = conversation.get(self.output, Any)
        channels = {
            DISPATCH: Dispatch,
            RESULTS: Annotated[list[BranchResult], Results],
            NEXT: Annotated[Any, EphemeralValue],
        }
        reads = {self.input: read}
        writes = {self.output: written, REPORT: dict[str, Any]}
        state = _typed_dict(f"{name}State", {**reads, **writes, **channels})
        input_schema = _typed_dict(f"{name}Input", reads)
        output_schema = _typed_dict(f"{name}Output", writes)
        return state, input_schema, output_schema

    def read(self, state: Mapping[str, Any]) -> Any:
        """Take the input out of the state; a conversation as role-and-content dicts.

        Raises:
            SetupError: The key is missing, or a field that the input's type requires.
        """
        if self.input not in state or state[self.input] is None:
            raise SetupError(
                f"The input has no value under {self.input!r}. Call the graph with "
                f"{{{self.input!r}: ...}}, or build it with another input_key."
            )
        value = state[self.input]
        if self.input != "messages":
            self._check_fields(value)
            return value
        # A text or a single message too, as every graph with LangGraph's `MessagesState` takes.
        messages = value if isinstance(value, list) else [value]
        return convert_to_openai_messages(convert_to_messages(messages))

    def _check_fields(self, value: Any) -> None:
        fields = sorted(getattr(self.input_type, "__required_keys__", ()))
        missing = [name for name in fields if not isinstance(value, Mapping) or name not in value]
        if missing:
            raise SetupError(
                f"The input lacks {', '.join(map(repr, missing))}. Give a dict with "
                f"{', '.join(map(repr, fields))}."
            )

    def is_nothing(self, state: Mapping[str, Any]) -> bool:
        """Say whether there is nothing to do: a conversation that has not begun."""
        return self.input == "messages" and state.get("messages") == []

    def empty(self, output: Any = None) -> dict[str, Any]:
        """Give the state update without an answer: the output, or no message."""
        return {self.output: [] if self.output == "messages" else output}

    def write(self, output: Any, message_id: str | None = None) -> dict[str, Any]:
        """Give the state update with the answer.

        Args:
            output: The answer, plain data.
            message_id: Id of the message that has already been streamed, so that it is not
                streamed twice.
        """
        if self.output == "messages":
            return {"messages": [AIMessage(as_text(output), id=message_id)]}
        return {self.output: output}


def _typed_dict(name: str, fields: dict[str, Any]) -> type:
    """Make a `TypedDict` with keys that are known at run time only."""
    made: type = TypedDict(name, fields)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    return made
