"""Loading the recorded votes."""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
UNREADABLE = "-"

Vote = str | None
"""A recorded vote; `None` is one that could not be read."""


@dataclass(frozen=True)
class Question:
    """What was answered to one question."""

    gold: str
    """The right answer."""
    votes: tuple[Vote, ...]
    """By sample, or by voter of a panel."""


@dataclass(frozen=True)
class Recording:
    """Votes on the questions of one data set."""

    name: str
    options: tuple[str, ...]
    """What can be voted for."""
    voters: tuple[str, ...]
    """A single one was sampled; several are a panel, with one vote each in this order."""
    questions: tuple[Question, ...]

    @property
    def votes(self) -> int:
        """The number of votes on every question."""
        return min(len(question.votes) for question in self.questions)

    def pick(self, voters: Sequence[str]) -> "Recording":
        """Give the recording of a smaller panel, in the order of *voters*."""
        places = [self.voters.index(voter) for voter in voters]
        return replace(
            self,
            voters=tuple(voters),
            questions=tuple(
                Question(question.gold, tuple(question.votes[place] for place in places))
                for question in self.questions
            ),
        )


def sampled(task: str, configuration: str, name: str) -> Recording:
    """Pool the samples of all configurations that fit a pattern, as votes of one voter.

    Args:
        task: `folio` or `proofwriter`.
        configuration: A pattern of model/method/shots, such as `gpt-4*/cot/*`.
        name: What to call the pool.

    Raises:
        LookupError: No configuration fits.
    """
    head, *lines = _lines(f"{task}-linc")
    wanted = [place for place, of in enumerate(head["configs"]) if fnmatch(of, configuration)]
    if not wanted:
        raise LookupError(f"No configuration of {task} fits {configuration!r}.")
    questions = tuple(
        Question(line["gold"], _votes("".join(line["votes"][place] for place in wanted)))
        for line in lines
    )
    return Recording(name, ("T", "F", "U"), (name,), questions)


def panel(name: str) -> Recording:
    """Load the votes of many models, one each.

    Args:
        name: Such as `toxicity-en`. Of toxicity, the first option is the one that flags.
    """
    head, *lines = _lines(f"{name}-panel")
    questions = tuple(Question(str(line["gold"]), _votes(line["votes"])) for line in lines)
    options = {question.gold for question in questions}
    ordered = sorted(options, key=lambda option: (len(option), option), reverse=len(options) == 2)  # noqa: PLR2004
    return Recording(name, tuple(ordered), tuple(head["models"]), questions)


def checked() -> Recording:
    """Load the Game of 24, where a checker accepts a sample or rejects it."""
    questions = tuple(
        Question("accepted", tuple("accepted" if ok else "rejected" for ok in line["ok"]))
        for line in _lines("game24-gpt4-cot")
    )
    return Recording("Game of 24", ("accepted", "rejected"), ("GPT-4",), questions)


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _votes(recorded: Sequence[Any]) -> tuple[Vote, ...]:
    return tuple(None if vote in {None, UNREADABLE} else str(vote) for vote in recorded)
