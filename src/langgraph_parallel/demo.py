"""The demonstration: the three patterns at work."""

import os
import sys
from shutil import which

import typer

from langgraph_parallel.cli_run import Echo, Graph, Options, execute, fail_with
from langgraph_parallel.cli_show import show_report
from langgraph_parallel.errors import BranchFailedError
from langgraph_parallel.graphs.guardrail import create_guardrail
from langgraph_parallel.graphs.sectioning import create_sectioning
from langgraph_parallel.graphs.voting import create_voting
from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.nodes.guard import Guard
from langgraph_parallel.nodes.models import ModelLike
from langgraph_parallel.nodes.personal import has_card
from langgraph_parallel.nodes.section import Section
from langgraph_parallel.nodes.voter import Voter

TASK = "A day at the sea."
PARTS = {
    "invitation": "Write one sentence that invites friends to this.",
    "packing": "Write one sentence on what to pack for this.",
    "weather": "Write one sentence on the weather for this.",
}
QUESTION = "What is the capital of France?"
CAPITALS = ["Madrid", "Paris", "Rome"]
MESSAGE = "Why is the sky blue?"
CARD_MESSAGE = "My card 4111 1111 1111 1111 was charged twice. Why is the sky blue?"
REFUSAL = "Please never send a card number. Ask again without it."
GUARD_SECONDS = 60.0
"""Deadline of the model's guard: generous, for slow machines."""

TINY = """
It has 135 million parameters and is part of the installation: no key, no network.
It shows the wiring: what it writes sounds right at best, and its judgements are
close to guessing."""


def run_demo(options: Options) -> None:
    """Run the demonstration.

    Args:
        options: Which model.

    Raises:
        typer.Exit: A run failed.
    """
    model = options.model
    typer.echo(f"Three patterns, each a compiled LangGraph graph, on the model {model}.", nl=False)
    typer.echo(TINY if model == "local" else "")
    _sectioning(options)
    _voting(options)
    _guardrail(options)
    typer.echo(f"\nYour own input: {_command()} --help")


def _command() -> str:
    """Give the command as it can be typed here."""
    return "langgraph-parallel" if which("langgraph-parallel") else os.path.relpath(sys.argv[0])


def _sectioning(options: Options) -> None:
    _heading(
        "1. Sectioning: one task in parts, a call for each, side by side",
        f"Task: {TASK} Parts: {', '.join(PARTS)}",
    )
    sections = [Section(name, prompt) for name, prompt in PARTS.items()]
    _run(create_sectioning(sections, model=options.model), TASK, options)


def _voting(options: Options) -> None:
    _heading(
        "2. Voting: one question, as many ballots as it takes for a lead of three",
        f"Question: {QUESTION} Options: {', '.join(CAPITALS)}",
    )
    voter = Voter("geographer", "Answer the question.")
    _run(create_voting(voter, options=CAPITALS, model=options.model), QUESTION, options)


def _guardrail(options: Options) -> None:
    graph = guarded(options.model)
    _heading(
        "3. Guardrail: the answer is written while two guards read the question",
        "One guard looks for card numbers, in plain Python; the other is itself a vote, on "
        f"the topic.\nQuestion: {MESSAGE}",
    )
    _run(graph, MESSAGE, options)
    _heading("   The same guards trip: the answer is cancelled", f"Question: {CARD_MESSAGE}")
    _run(graph, CARD_MESSAGE, options)


def guarded(model: ModelLike) -> Graph:
    """Build a guardrail with one guard of plain Python and one that is a vote."""
    topic = create_voting(
        Voter("topic", "Which subject is this question about?"),
        options=["science", "weapons"],
        stop="ahead_by_2",
        model=model,
    )
    return create_guardrail(
        "You are a helpful assistant. Answer in two sentences.",
        [
            Guard("card", run=has_card),
            Guard("topic", run=topic, trip_on="weapons", timeout=GUARD_SECONDS),
        ],
        refusal=REFUSAL,
        model=model,
    )


def _heading(title: str, text: str) -> None:
    typer.echo(f"\n{title}\n{'-' * len(title)}\n{text}\n")


def _run(graph: Graph, value: str, options: Options) -> None:
    """Run a graph, once more if its branches fail, as those of a tiny model can."""
    echo = Echo(active=True)
    try:
        state = execute(graph, value, None, options, echo)
    except BranchFailedError as error:
        typer.echo(f"{explain(error)}\nAsked again.\n")
        try:
            state = execute(graph, value, None, options, echo)
        except BranchFailedError as error:
            fail_with(error, quiet=False)
    echo.finish(str(state["output"]))
    show_report(state["report"], err=False)
