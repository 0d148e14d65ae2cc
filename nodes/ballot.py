"""How a voter is asked for its ballot, and how its reply is read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import GenericAlias
from typing import Any, Literal

from pydantic import BaseModel, Field, create_model

from langgraph_parallel.aggregators.ballots import Reading, read_ballot, read_number, read_ranking
from langgraph_parallel.aggregators.combine import as_text
from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.nodes.voter import Voter

Options = Sequence[Any] | type[BaseModel] | type[float] | None
"""What can be voted for: a closed list of labels, numbers (`int` or `float`), a Pydantic model, or
anything."""

NUMBERS = (int, float)
_ONE_OF = "Answer with exactly one of"
_RANK = "Rank all of these, best first"


def labels_of(options: Options) -> Sequence[Any] | None:
    """Give the closed list of labels, if the options are one."""
    return options if isinstance(options, Sequence) and not isinstance(options, str) else None


def ballot_schema(options: Options, *, is_ranked: bool = False) -> type[BaseModel] | None:
    """Make the structured output of a ballot; `None` for a free text.

    Args:
        options: What can be voted for.
        is_ranked: Whether the ballot is a ranking of the labels.

    Example:
        >>> ballot_schema(["safe", "unsafe"])(ballot="safe").ballot
        'safe'
    """
    labels = labels_of(options)
    if labels is not None:
        choice: Any = Literal[tuple(labels)]
        if is_ranked:
            ranking: Any = GenericAlias(list, (choice,))
            field = Field(description="All labels, each once, best first.")
            return create_model("Ballot", ballot=(ranking, field))
        return create_model("Ballot", ballot=(choice, Field(description="The label that fits.")))
    if options in NUMBERS:
        number: Any = options
        return create_model("Ballot", ballot=(number, Field(description="The number.")))
    return options if isinstance(options, type) else None  # type: ignore[return-value]


def ballot_prompt(voter: Voter, options: Options, *, is_ranked: bool = False) -> str | None:
    r"""Give a voter's prompt, with the labels named at its end.

    Example:
        >>> ballot_prompt(Voter("mood", "The mood?"), ["good", "bad"])
        'The mood?\n\nAnswer with exactly one of: good, bad.'
    """
    labels = labels_of(options)
    if voter.prompt is None or labels is None:
        return voter.prompt
    named = ", ".join(label(option) for option in labels)
    return f"{voter.prompt.rstrip()}\n\n{_RANK if is_ranked else _ONE_OF}: {named}."


def read_reply(
    reply: Any, options: Options, *, is_ranked: bool = False, max_chars: int | None = None
) -> Reading:
    """Read a ballot from a voter's reply, plain data.

    Args:
        reply: The reply.
        options: What can be voted for.
        is_ranked: Whether the ballot is a ranking.
        max_chars: Characters above which a reply is a red flag: not worth reading.

    Example:
        >>> read_reply("It is safe, because " + "word " * 99, ["safe"], max_chars=200).unreadable
        'is too long: 515 characters, 200 are allowed'
    """
    length = len(as_text(reply))
    if max_chars is not None and length > max_chars:
        return Reading(unreadable=f"is too long: {length} characters, {max_chars} are allowed")
    if is_ranked:
        return read_ranking(reply, labels_of(options))
    if isinstance(options, type) and issubclass(options, BaseModel):
        return _read_model(reply, options)
    reading = read_ballot(reply, labels_of(options))
    if options not in NUMBERS:
        return reading
    number = read_number(reading)
    if options is int and isinstance(number.ballot, float):
        return replace(number, ballot=None, unreadable=f"is no whole number: {number.ballot}")
    return number


def _read_model(reply: Any, model: type[BaseModel]) -> Reading:
    """Read an instance of a model, as data or JSON, or under `ballot` beside a reason."""
    is_wrapped = isinstance(reply, Mapping) and "ballot" in reply
    reading = Reading(reply)
    if is_wrapped and "ballot" not in model.model_fields:
        reading = read_ballot(reply, None)
    value = reading.ballot
    try:
        made = (
            model.model_validate_json(value)
            if isinstance(value, str)
            else model.model_validate(value)
        )
    except ValueError as error:
        return replace(reading, ballot=None, unreadable=f"is no {model.__name__}: {_first(error)}")
    return replace(reading, ballot=made.model_dump(mode="json"), unreadable=None)


def _first(error: ValueError) -> str:
    return " ".join(str(error).splitlines()[1:3])[:100]
