"""The commands of `langgraph-parallel`."""

from collections.abc import Mapping
from importlib.metadata import version as version_of
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from langgraph_parallel import cli_show as show
from langgraph_parallel.cli_input import STDIN, read_file, read_text
from langgraph_parallel.cli_run import Graph, Options, fail, fail_with, run
from langgraph_parallel.errors import ParallelPatternError, SetupError
from langgraph_parallel.graphs import (
    classify as classify_graph,
)
from langgraph_parallel.graphs import (
    code_review,
    moderation,
    response_evaluation,
    safe_respond,
    vulnerability_scan,
)
from langgraph_parallel.process import FAILED, FLAGGED, INTERRUPTED, say

EPILOG = (
    "The answer goes to standard output; progress, the report and errors go to standard error. "
    "FILE and TEXT may be - for standard input, which is also read where TEXT is left out.\n\n"
    "Exit codes: 0 done; 1 failed; 2 bad usage or input; 3 flagged, by scan, moderate and "
    "respond; 130 interrupted."
)
FLAGS = "Exit code 3: {}."


GRAPHS: dict[str, Graph] = {
    "code_review": code_review.graph,
    "response_evaluation": response_evaluation.graph,
    "classify": classify_graph.graph,
    "vulnerability_scan": vulnerability_scan.graph,
    "moderation": moderation.graph,
    "safe_respond": safe_respond.graph,
}


class Commands(TyperGroup):
    """Turns errors of commands into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        Raises:
            typer.Exit: It failed, or was interrupted.
        """
        try:
            return super().invoke(ctx)
        except ParallelPatternError as error:
            fail_with(error)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)

Model = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="openai:NAME, local (the embedded model), gguf:PATH, or PROVIDER:NAME with the "
        "package langchain. Without it the environment decides.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the whole output state as JSON, and nothing else.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no report.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="A text file, or -.")]
Text = Annotated[str | None, typer.Argument(metavar="TEXT", help="The text, or -.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version_of("langgraph-parallel"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Run parallel LLM patterns: sectioning, voting, and guardrails beside the response."""


@app.command()
def review(file: File, model: Model = None, json: Json = False, quiet: Quiet = False) -> None:
    """Review code for security, performance and style side by side, then merge the reviews."""
    options = Options(model, json, quiet)
    settings = code_review.CodeReviewSettings.model_validate({"model": model})
    run(code_review.graph, read_file(file), settings, options, show.plain_answer, streams=True)


@app.command()
def evaluate(
    question: Annotated[str, typer.Option(help="The question, or -.")],
    answer: Annotated[str, typer.Option(help="The answer to judge, or -.")],
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score an answer from 1 to 5 for accuracy, tone, relevance and safety."""
    options = Options(model, json, quiet)
    if question == answer == STDIN:
        raise SetupError("Both --question and --answer are -. Give one of them as text.")
    value = {"question": read_text(question, "question"), "answer": read_text(answer, "answer")}
    settings = response_evaluation.EvaluationSettings.model_validate({"model": model})
    run(response_evaluation.graph, value, settings, options, show.evaluation_answer)


@app.command()
def classify(
    label: Annotated[list[str], typer.Option(help="A label to choose from; give two or more.")],
    text: Text = None,
    model: Model = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose the label that fits a text, by as many votes as it takes."""
    options = Options(model, json, quiet)
    labels = [name.strip() for name in label]
    different = {name.casefold() for name in labels if name}
    if len(different) < max(len(labels), 2):
        given = ", ".join(name or "(empty)" for name in labels)
        raise SetupError(
            f"The labels given are: {given}. Give two or more different labels (upper and lower "
            "case are the same), as in --label spam --label ham."
        )
    settings = classify_graph.ClassifySettings.model_validate({"model": model, "labels": labels})
    run(classify_graph.graph, read_text(text), settings, options, show.plain_answer)


@app.command(epilog=FLAGS.format("the code is vulnerable"))
def scan(file: File, model: Model = None, json: Json = False, quiet: Quiet = False) -> None:
    """Scan code for vulnerabilities with three scanners; any of them flags it."""
    options = Options(model, json, quiet)
    settings = vulnerability_scan.ScanSettings.model_validate({"model": model})
    state = run(vulnerability_scan.graph, read_file(file), settings, options, show.scan_answer)
    _flag(state["output"] == "vulnerable")


@app.command(epilog=FLAGS.format("the text is flagged"))
def moderate(
    text: Text = None, model: Model = None, json: Json = False, quiet: Quiet = False
) -> None:
    """Moderate a text with four evaluators; two of them flag it."""
    options = Options(model, json, quiet)
    settings = moderation.ModerationSettings.model_validate({"model": model})
    state = run(moderation.graph, read_text(text), settings, options, show.moderation_answer)
    _flag(state["output"] == "flag")


@app.command(epilog=FLAGS.format("the answer was blocked"))
def respond(
    text: Text = None, model: Model = None, json: Json = False, quiet: Quiet = False
) -> None:
    """Answer a message while guards read it; a guard that trips discards the answer."""
    options = Options(model, json, quiet)
    settings = safe_respond.SafeRespondSettings.model_validate({"model": model})
    value = read_text(text)
    state = run(safe_respond.graph, value, settings, options, show.plain_answer, streams=True)
    _flag(state["report"]["verdict"] == "blocked")
    if state["report"]["verdict"] != "passed":
        if not (quiet or json):
            say()
        fail(_unjudged(state["report"]), FAILED)


@app.command()
def draw(
    graph: Annotated[str, typer.Argument(metavar="GRAPH", help=f"One of {', '.join(GRAPHS)}.")],
) -> None:
    """Print the drawing of a ready-made graph as Mermaid text."""
    if graph not in GRAPHS:
        raise SetupError(f"There is no graph {graph!r}. Give one of: {', '.join(GRAPHS)}.")
    typer.echo(GRAPHS[graph].get_graph().draw_mermaid().rstrip())


@app.command()
def demo(model: Model = "local") -> None:
    """Show the three patterns on real input, on the embedded model unless another is named."""
    from langgraph_parallel.demo import run_demo  # noqa: PLC0415

    run_demo(Options(model))


def _flag(flagged: bool) -> None:
    if flagged:
        raise typer.Exit(FLAGGED)


def _unjudged(report: Mapping[str, Any]) -> str:
    """Say that the answer was withheld because guards failed, not because they tripped."""
    reasons = zip(report["blocked_by"], report["reasons"], strict=False)
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    return f"The answer was withheld, as guards could not judge the text. {why}"
