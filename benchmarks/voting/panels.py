"""What the rules make of panels of models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from langgraph_parallel.nodes.voter import Rounds
from voting.recordings import Recording
from voting.replay import Outcome, Replay
from voting.specs import panel_spec

HOSTED = (
    "gpt-4o-mini-2024-07-18",
    "claude-3-5-haiku-20241022",
    "gemini-2.0-flash",
    "mistral-large-2411",
    "deepseek-chat",
)
"""Five models of five providers."""

OPEN = ("llama3.1", "gemma2", "qwen2.5", "mistral-nemo", "olmo2")
"""Five open models of 7 to 12 billion parameters, of five makers."""

BEST = 8
"""How many of the best models small panels are drawn from."""


@dataclass(frozen=True)
class Row:
    """One panel under one rule."""

    panel: str
    rule: str
    accuracy: float
    calls: float
    rounds: float
    precision: float = 0.0
    """Of what is flagged, how much is rightly so."""
    recall: float = 0.0
    """Of what should be flagged, how much is."""


def flagging(recording: Recording) -> Iterator[Row]:
    """Measure any, majority and all on panels that flag; it stops when the rule is settled."""
    ranked = by_accuracy(recording)
    panels = {
        "best single model": ranked[:1],
        "three hosted": HOSTED[:3],
        "five hosted": HOSTED,
        "five open": OPEN,
        "best five": ranked[:5],
        f"all {len(ranked)}": recording.voters,
    }
    for name, voters in panels.items():
        chosen = recording.pick(voters)
        for rule in ("any", "majority", "all") if len(voters) > 1 else ("majority",):
            yield measure(chosen, name, rule)


def choosing(recording: Recording) -> Iterator[Row]:
    """Measure plurality on panels that choose one of many options."""
    ranked = by_accuracy(recording)
    yield measure(recording.pick(ranked[:1]), f"best single: {ranked[0]}", "plurality")
    for size in (3, 4, 5):
        best = best_panel(recording, ranked[:BEST], size)
        yield measure(recording.pick(best), f"best {size} of the best {BEST}", "plurality")
    for size in (3, 5, 9):
        yield measure(recording.pick(ranked[:size]), f"the {size} best", "plurality")
    everybody = recording.pick(ranked)
    yield measure(everybody, f"all {len(ranked)}", "plurality", ask_all=True)


def measure(
    recording: Recording,
    panel: str,
    rule: str,
    *,
    ask_all: bool = False,
    rounds: Rounds = "lossless",
) -> Row:
    """Measure a panel under a rule."""
    outcomes = decided(recording, rule, ask_all=ask_all, rounds=rounds)
    flag = recording.options[0]
    pairs = [(o.decision.value, q.gold) for o, q in zip(outcomes, recording.questions, strict=True)]
    hits = sum(value == gold == flag for value, gold in pairs)
    return Row(
        panel,
        rule,
        accuracy=fmean(value == gold for value, gold in pairs),
        calls=fmean(outcome.calls for outcome in outcomes),
        rounds=fmean(outcome.rounds for outcome in outcomes),
        precision=hits / max(sum(value == flag for value, _ in pairs), 1),
        recall=hits / max(sum(gold == flag for _, gold in pairs), 1),
    )


def decided(
    recording: Recording, rule: str, *, ask_all: bool = False, rounds: Rounds = "lossless"
) -> list[Outcome]:
    """Replay every question."""
    replay = Replay(panel_spec(recording, rule, ask_all=ask_all, rounds=rounds))
    return [replay.run(question.votes) for question in recording.questions]


def by_accuracy(recording: Recording) -> list[str]:
    """Give the models, the most accurate first."""
    right = {
        voter: sum(question.votes[place] == question.gold for question in recording.questions)
        for place, voter in enumerate(recording.voters)
    }
    return sorted(right, key=lambda voter: -right[voter])


def best_panel(recording: Recording, voters: Sequence[str], size: int) -> tuple[str, ...]:
    """Give the most accurate panel of this size; chosen on the questions that it is measured on."""
    replay = Replay(panel_spec(recording.pick(voters[:size]), "plurality", ask_all=True))

    def right(panel: tuple[str, ...]) -> int:
        questions = recording.pick(panel).questions
        return sum(replay.run(q.votes).decision.value == q.gold for q in questions)

    return max(combinations(voters, size), key=right)
