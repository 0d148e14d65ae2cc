"""Free texts: which of them mean the same, and which one the others agree with."""

import re
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from langgraph_parallel.aggregators.combine import as_text
from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.aggregators.types import UNDECIDED, AskingRule, Ballot, Decision, Merge
from langgraph_parallel.errors import SetupError

CONSENSUS_PROMPT = (
    "Several people have answered the same question. Choose the answer that agrees best with the "
    "others. Reply with its number only."
)
"""What `consensus` tells the model."""

MEANING_PROMPT = (
    "Group these answers by what they mean: answers that say the same in other words belong "
    "together. Reply with one line for each group: the numbers of its answers, separated by commas."
)
"""What `same_meaning` tells the model."""

_GROUP = re.compile(r"\s*\d+\s*(?:,\s*\d+\s*)*")


def consensus(prompt: str = CONSENSUS_PROMPT, *, model: BaseChatModel | None = None) -> AskingRule:
    """A model picks the ballot that agrees best with the others.

    Ballots that are all equal are decided without a call. The model sees the different ballots
    once each, by index, with how many cast them; it picks one and writes nothing of its own. No
    ballots, or a reply that names none of them: undecided. Missing ballots are ignored.

    Source: universal self-consistency (Chen et al. 2023, arXiv 2311.17311).

    Args:
        prompt: What the model is told; by default to pick the answer that agrees best.
        model: The chat model that picks; the pattern's own when left out.

    Example:
        ```python
        create_voting(Voter("name", "Name this product."), rule=consensus(), max_votes=5)
        ```
    """
    own_model = model

    async def rule(
        ballots: Sequence[Ballot],
        size: int | None = None,
        /,
        *,
        model: BaseChatModel,
        config: RunnableConfig,
        input: Any,  # noqa: A002
    ) -> Decision:
        ordered = [ballot.value for ballot in sorted(ballots, key=lambda ballot: ballot.index)]
        values = {label(value): value for value in ordered}
        if len(values) < 2:  # noqa: PLR2004
            return Decision(ordered[0]) if ordered else UNDECIDED
        names = [label(value) for value in ordered]
        shown = [f"{as_text(value)} ({names.count(name)}x)" for name, value in values.items()]
        reply = await _ask(own_model or model, prompt, input, shown, config)
        chosen = read_choice(reply, len(values))
        return UNDECIDED if chosen is None else Decision(list(values.values())[chosen - 1])

    rule.reads = "text"  # type: ignore[attr-defined]
    return rule


def read_choice(reply: str, size: int) -> int | None:
    """Read one of the numbers from 1 to `size`; `None` where a reply names none or several.

    Example:
        >>> read_choice("Answer 2.", 3), read_choice("2. Rome, not 1.", 3), read_choice("1 or 2", 3)
        (2, 2, None)
    """
    named = {int(number) for number in re.findall(r"\d+", reply)} & set(range(1, size + 1))
    if len(named) == 1:
        return named.pop()
    first = re.match(r"\W*(\d+)\s*(?:[.:)\n]|$)", reply)
    return int(first[1]) if first and int(first[1]) in named else None


def same_if(same: Callable[[Any, Any], bool]) -> Merge:
    """Merge ballots of which a function says that they mean the same.

    Each value stands for the first one, by index, that it is the same as.

    Args:
        same: A plain function of two ballots.

    Raises:
        SetupError: It is async, or cannot be called.

    Example:
        >>> same_if(lambda a, b: a.lower() == b.lower())(["Paris", "paris", "Lyon"])
        ['Paris', 'Paris', 'Lyon']
    """
    if not callable(same) or iscoroutinefunction(same):
        raise SetupError(
            f"same_if({same!r}) cannot compare two ballots. Give a plain function, or as merge= an "
            "async function of all ballots that gives the one that each stands for."
        )

    def merge(values: Sequence[Any]) -> list[Any]:
        kept: list[Any] = []
        for value in values:
            kept.append(next((first for first in kept if same(first, value)), value))
        return kept

    return merge


def same_meaning(prompt: str = MEANING_PROMPT, *, model: BaseChatModel | None = None) -> Merge:
    """Have a model merge the ballots that mean the same.

    It is one call for each round of the vote in which ballots differ. Each value stands for the
    first of its group, by index. The model must put every ballot into exactly one group.

    Source: clustering by meaning as in semantic entropy (Kuhn et al. 2023, arXiv 2302.09664).

    Args:
        prompt: What the model is told; by default to group the answers that mean the same.
        model: The chat model that groups; the pattern's own when left out.

    Raises:
        ValueError: When it merges, for a reply that is no such grouping.

    Example:
        ```python
        create_voting(Voter("cause", "Why did it fail?"), merge=same_meaning())
        ```
    """
    own_model = model

    async def merge(
        values: Sequence[Any],
        *,
        model: BaseChatModel,
        config: RunnableConfig,
        input: Any,  # noqa: A002
    ) -> list[Any]:
        if len(values) < 2:  # noqa: PLR2004
            return list(values)
        texts = [as_text(value) for value in values]
        reply = await _ask(own_model or model, prompt, input, texts, config)
        first_of = {i: min(group) for group in read_groups(reply, len(values)) for i in group}
        return [values[first_of[i] - 1] for i in range(1, len(values) + 1)]

    return merge


def read_groups(reply: str, size: int) -> list[set[int]]:
    r"""Read groups of the numbers from 1 to `size`, one group on each line.

    Raises:
        ValueError: A line is no list of numbers, or a number is missing, foreign or there twice.

    Example:
        >>> read_groups("1, 3\n2", 3)
        [{1, 3}, {2}]
    """
    named = re.sub(r"(?im)^\W*group\s+\w+\s*:", "", reply)
    lines = [line.strip(" \t-*.;[](){}") for line in named.splitlines()]
    lines = [line for line in lines if re.search(r"\d", line)]
    numbers = [int(number) for line in lines for number in re.findall(r"\d+", line)]
    is_list = all(_GROUP.fullmatch(line) for line in lines)
    if not is_list or sorted(numbers) != list(range(1, size + 1)):
        raise ValueError(
            f"The reply is no grouping of the answers 1 to {size}: {reply.strip()[:80]!r}. Each "
            "number must be in one line, once. Try a stronger model, or a function of yours."
        )
    return [{int(number) for number in re.findall(r"\d+", line)} for line in lines]


async def _ask(
    model: BaseChatModel,
    prompt: str,
    question: Any,
    answers: Sequence[str],
    config: RunnableConfig,
) -> str:
    numbered = "\n\n".join(f"{i}. {answer}" for i, answer in enumerate(answers, 1))
    text = f"What was asked about:\n{as_text(question)}\n\nThe answers:\n\n{numbered}"
    reply = await model.ainvoke([SystemMessage(prompt), HumanMessage(text)], config)
    return str(reply.text)
