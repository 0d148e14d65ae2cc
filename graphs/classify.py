"""Classification of a text by sampled votes."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from langgraph_parallel.graphs.settings import (
    ModelName,
    deadline_field,
    model_field,
    prompt_field,
    setting,
    stop_of,
)
from langgraph_parallel.graphs.voting import create_voting
from langgraph_parallel.nodes.voter import Voter
from langgraph_parallel.nodes.voting_spec import SAMPLED_MAX_VOTES, VotingSpec

PROMPT = "Read the text and choose the label that fits it best."
LABELS = ["positive", "negative", "neutral"]

ClassifyStop = Literal["quick", "standard", "careful", "first_to_3", "first_to_5", "settled", "all"]
"""When to stop asking; `all` for the most votes."""


class ClassifySettings(BaseModel):
    """Settings of the classification."""

    model: ModelName = model_field(["classifier"])
    prompt: str = prompt_field(PROMPT, "classifier", "What each vote is asked.")
    labels: list[str] = setting(LABELS, ["classifier"], "The labels to choose from.", min_length=2)
    stop: ClassifyStop = setting(
        "standard",
        ["tally"],
        "When to stop asking. quick: the first label is 2 votes ahead; standard: 3 ahead; careful: "
        "it is ahead with a probability of 0.95; first_to_3, first_to_5: it has so many votes; "
        "settled: the other labels cannot catch up any more; all: at the most votes.",
    )
    max_votes: int = setting(
        SAMPLED_MAX_VOTES, ["tally"], "Votes at most; for careful, 39 fit.", ge=1, le=99
    )
    deadline: float = deadline_field(["classifier"], "Seconds until a vote counts as failed.")


def configure(spec: VotingSpec, settings: ClassifySettings) -> VotingSpec:
    """Apply the settings to the options."""
    voter = replace(CLASSIFIER, prompt=settings.prompt, timeout=settings.deadline)
    return replace(
        spec,
        voters=[voter],
        model=settings.model or None,
        options=settings.labels,
        stop=stop_of(settings.stop, settings.max_votes),
        max_votes=settings.max_votes,
    )


CLASSIFIER = Voter("classifier", PROMPT)

graph = create_voting(
    CLASSIFIER,
    options=LABELS,
    input_type=Annotated[str, Field(title="Text", description="The text to classify.")],
    context_schema=ClassifySettings,
    configure=configure,
    name="classify",
)
"""Input: a text. Output: one of the labels."""
