"""What is checked of the options of a vote when its graph is built."""

from collections.abc import Mapping
from typing import get_args

from pydantic import BaseModel

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.rules import is_own, reads
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.ballot import NUMBERS, labels_of
from langgraph_parallel.nodes.branch import check_retries
from langgraph_parallel.nodes.calls import is_async
from langgraph_parallel.nodes.voter import OnUndecided, Rounds, Voter
from langgraph_parallel.nodes.voting_spec import VotingSpec


def check_voting(spec: VotingSpec) -> None:
    """Check the options of a vote against one another.

    Raises:
        SetupError: An option is unknown or out of its range, or two do not fit.
    """
    check_retries(spec.retries)
    _check_voters(spec)
    _check_options(spec)
    _check_functions(spec)
    _check_caps(spec)
    _check_fit(spec)
    for option, value, allowed in (
        ("rounds", spec.pace, get_args(Rounds)),
        ("on_undecided", spec.on_undecided, get_args(OnUndecided)),
    ):
        if value not in allowed and not isinstance(value, Voter):
            raise SetupError(f"Unknown {option} {value!r}. Allowed: {', '.join(allowed)}.")


def _check_voters(spec: VotingSpec) -> None:
    for voter in spec.voters:
        if not isinstance(voter, Voter):
            raise SetupError(f"{voter!r} is not a voter. Give Voter('name', 'prompt').")
    if not spec.electors:
        raise SetupError(
            "No voters were given whose ballots count. Give at least one "
            "Voter('name', 'prompt') that is not advisory."
        )


def _check_options(spec: VotingSpec) -> None:
    labels = labels_of(spec.options)
    if labels is None:
        is_model = isinstance(spec.options, type) and issubclass(spec.options, BaseModel)
        if spec.options is not None and not is_model and spec.options not in NUMBERS:
            raise SetupError(
                f"options={spec.options!r} is no choice. Give a list of labels, int or float for "
                "numbers, a Pydantic model, or None for free answers."
            )
        return
    try:
        names = [label(option) for option in labels]
    except TypeError as error:
        raise SetupError(
            f"options={list(labels)!r} has a label that is no plain data ({error}). Give texts, "
            "numbers or bools; of an Enum its members' values."
        ) from None
    if len(names) < 2 or len(set(names)) < len(names):  # noqa: PLR2004
        raise SetupError(
            f"options={list(labels)!r} is no choice. Give two or more different labels, a "
            "Pydantic model, or None for free answers."
        )


def _check_functions(spec: VotingSpec) -> None:
    for option, function in (("rule", spec.decide), ("stop", spec.enough)):
        if not callable(function):
            raise SetupError(
                f"{option}={function!r} cannot be called. Give a name or a function of yours."
            )
        name = getattr(function, "__qualname__", "")
        if is_own(function) and name and "." not in name and not name.startswith("_"):
            raise SetupError(f"{option}={name} is not built yet. Call it, as in {name}(...).")
    if is_async(spec.enough):
        raise SetupError(
            "The stop is an async function. Give a plain one: it is asked often, of counts alone."
        )
    if spec.merge is not None and not callable(spec.merge):
        raise SetupError(f"merge={spec.merge!r} cannot be called. Give same_if or same_meaning.")


def _check_caps(spec: VotingSpec) -> None:
    for option in ("max_votes", "max_calls", "max_chars"):
        value = getattr(spec, option)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise SetupError(f"{option}={value!r} is no whole number. Give one from 1 up.")
    if spec.votes < 1:
        raise SetupError(f"max_votes={spec.votes} asks nobody. Give a number from 1 up.")
    if spec.calls < spec.votes:
        raise SetupError(
            f"max_calls={spec.calls} is below max_votes={spec.votes}: that many ballots could "
            f"never be cast. Give {spec.votes} or more."
        )
    if spec.max_chars is not None and spec.max_chars < 1:
        raise SetupError(f"max_chars={spec.max_chars} allows no reply. Give 1 or more.")
    needed = getattr(spec.decide, "needs", 1)
    if needed > spec.votes:
        raise SetupError(
            f"The rule needs {needed} ballots, but at most {spec.votes} are cast. Give a "
            f"threshold from 1 to {spec.votes}, or a share such as 0.5."
        )
    if _asked(spec, {}, 0):
        raise SetupError(
            f"The stop {spec.stop_given!r} is satisfied before the first vote, so nobody would "
            "be asked. Have it wait for a vote."
        )
    _asked(spec, {"one": 1}, 1)


def _asked(spec: VotingSpec, counts: Mapping[str, int], n: int) -> bool:
    try:
        return spec.enough(counts, n, spec.votes)
    except Exception as error:
        raise SetupError(
            f"The stop raised {type(error).__name__}: {error} for the counts {dict(counts)}, "
            f"n={n} and cap={spec.votes}. It must take any counts, no votes too."
        ) from error


def _check_fit(spec: VotingSpec) -> None:
    """Check that rule, options and schemas fit one another."""
    kind, options = reads(spec.decide), labels_of(spec.options)
    prompted = [voter.name for voter in spec.electors if voter.prompt is not None]
    if kind == "number" and (options is not None or (prompted and spec.options is None)):
        raise SetupError(
            f"The rule {spec.rule!r} is for numbers, but the options are {spec.options!r}. Give "
            "options=float, int or a rule for labels."
        )
    if kind == "ranked" and spec.options is not None and options is None:
        raise SetupError(
            f"The rule {spec.rule!r} ranks labels, but the options are {spec.options!r}. Give a "
            "list of labels."
        )
    for voter in spec.voters:
        if options and voter.schema is not None and "ballot" not in voter.schema.model_fields:
            raise SetupError(
                f"Voter {voter.name!r} has the schema {voter.schema.__name__} without a field "
                "'ballot', in which the label is looked for. Add one."
            )
    if options is None:
        return
    tie = getattr(spec.decide, "tie", None)
    order = [] if tie is None or isinstance(tie, str) else list(tie)
    known = {label(option) for option in options}
    for wanted in [*getattr(spec.decide, "labels", ()), *order]:
        if label(wanted) not in known:
            raise SetupError(
                f"The rule speaks of {wanted!r}, which is none of the options {list(options)!r}. "
                "Give it labels of the options."
            )
