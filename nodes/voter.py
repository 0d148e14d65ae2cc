"""Voters: who is asked for a ballot."""

from dataclasses import dataclass
from typing import Any, Literal

from langgraph_parallel.aggregators.counting import label
from langgraph_parallel.errors import SetupError
from langgraph_parallel.nodes.branch import Branch

Rounds = Literal["lossless", "doubling", "all_at_once"]
"""How many calls start together: as many as the stop cannot do without; as many again as have
been started; or all."""

OnUndecided = Literal["raise", "abstain", "judge", "more"]
"""What becomes of no decision: an error; the output `None`; one more call that sees all ballots;
or more ballots, up to the cap on calls."""

JUDGE_PROMPT = (
    "Several voters were asked the same question and have come to no decision. Read the question, "
    "what it is about, and each ballot with its reason. Weigh the reasons, not the numbers, and "
    "decide."
)
"""What the judge of `on_undecided="judge"` is told."""


@dataclass(frozen=True, kw_only=True)
class Voter(Branch):
    """Somebody who votes; a single one is asked repeatedly.

    A `schema` of your own has a field `ballot` and may have `reason` and `confidence`. A `run`
    gives its ballot, or a dict with these keys; `None` is an unreadable ballot. A voter with tools
    is a `run` too: an agent, whose last message is the ballot.

    Example:
        >>> Voter("politeness", "Is this text polite?").name
        'politeness'
    """

    weight: float = 1.0
    """What its ballots weigh under the rule `weighted`; above 0."""

    advisory: bool = False
    """Whether its ballot is recorded but not counted. It is asked once, in the first round."""

    def __post_init__(self) -> None:
        """Check the weight, and what all branches have in common."""
        super().__post_init__()
        if not 0 < self.weight < float("inf"):
            raise SetupError(
                f"Voter {self.name!r} has weight={self.weight}. Give a finite number above 0, and "
                "make a voter that is not to count advisory=True."
            )


JUDGE = Voter("judge", JUDGE_PROMPT)
"""The judge of `on_undecided="judge"`."""


def case_for_judge(questions: list[str], value: Any, ballots: list[dict[str, Any]]) -> Any:
    """Make the input of a judge: the question, what it is about, and every ballot.

    Args:
        questions: The voters' prompts.
        value: The input of the vote.
        ballots: Of each its `voter`, `ballot` and `reason`.

    Example:
        >>> case_for_judge(["Safe?"], "a text", [{"voter": "v", "ballot": True, "reason": None}])
        {'question': 'Safe?', 'about': 'a text', 'ballots': 'v: true'}
    """
    lines = []
    for cast in ballots:
        why = f", because: {cast['reason']}" if cast["reason"] else ""
        lines.append(f"{cast['voter']}: {label(cast['ballot'])}{why}")
    return {
        "question": "\n\n".join(dict.fromkeys(questions)),
        "about": value,
        "ballots": "\n".join(lines) or "none that could be read",
    }
