"""Classification of a text by sampled votes."""

from dataclasses import replace

from pydantic import BaseModel, Field

from langgraph_parallel.graphs.settings import model_field, prompt_field
from langgraph_parallel.graphs.voting import create_voting
from langgraph_parallel.nodes.voter import Voter
from langgraph_parallel.nodes.voting_spec import VotingSpec

PROMPT = "Read the text and choose the label that fits it best."
LABELS = ["positive", "negative", "neutral"]


class ClassifySettings(BaseModel):
    """Settings of the classification."""

    model: str | None = model_field(["classifier"])
    prompt: str = prompt_field(PROMPT, "classifier", "What each vote is asked.")
    labels: list[str] = Field(
        default=LABELS, min_length=2, description="The labels to choose from."
    )
    lead: int = Field(
        default=3, ge=1, le=20, description="Votes by which the first label must be ahead to stop."
    )
    max_votes: int = Field(default=15, ge=1, le=99, description="Votes at most.")


def configure(spec: VotingSpec, settings: ClassifySettings) -> VotingSpec:
    """Apply the settings to the options."""
    return replace(
        spec,
        voters=[replace(CLASSIFIER, prompt=settings.prompt)],
        model=settings.model,
        options=settings.labels,
        stop=f"ahead_by_{settings.lead}",
        max_votes=settings.max_votes,
    )


CLASSIFIER = Voter("classifier", PROMPT)

graph = create_voting(
    CLASSIFIER,
    options=LABELS,
    context_schema=ClassifySettings,
    configure=configure,
    name="classify",
)
"""Input: a text. Output: one of the labels."""
