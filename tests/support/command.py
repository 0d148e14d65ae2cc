"""Runs commands of the command line in this process."""

from drive import KEY
from typer.testing import CliRunner, Result

from langgraph_parallel.cli import app

MODEL = "openai:stub-model"
CODE = "def find(name):\n    return run('SELECT ' + name)\n"
PLAIN = {"COLUMNS": "200", "NO_COLOR": "1"}
LABELS = ["--label", "praise", "--label", "complaint"]


def call(*arguments: str, stdin: str | bytes = "", model: str | None = MODEL) -> Result:
    """Run a command; whatever it does, it shows no traceback and no key."""
    extra = [] if model is None else ["--model", model]
    result = CliRunner().invoke(app, [*arguments, *extra], input=stdin, env=PLAIN)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert KEY not in result.output
    assert "Traceback" not in result.output
    return result
