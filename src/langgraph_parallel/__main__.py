"""The command `langgraph-parallel`, also as `python -m langgraph_parallel`."""

import logging
import sys
from typing import NoReturn

from dotenv import find_dotenv, load_dotenv

from langgraph_parallel.nodes.explain import explain
from langgraph_parallel.process import FAILED, INTERRUPTED, USAGE, say, take_any_character


def main() -> None:
    """Run the command line.

    Settings in a `.env` file of the working directory, or of a folder above it, hold where the
    environment has none.
    """
    take_any_character()
    logging.getLogger("langgraph_parallel").addHandler(logging.NullHandler())  # reports say it
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        _stop(f"Something unforeseen went wrong. {explain(error)}", FAILED)


def _run() -> None:
    try:
        load_dotenv(find_dotenv(usecwd=True), override=False)
    except (OSError, UnicodeDecodeError) as error:
        _stop(f"The file .env cannot be read: {error}. Correct or remove it.", USAGE)
    try:
        from langgraph_parallel.cli import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"typer", "rich"}:
            raise
        _stop(
            f"The command line needs the package {package}, which is not installed. Run "
            "`pip install 'langgraph-parallel[cli]'`.",
            USAGE,
        )
    app(prog_name="langgraph-parallel")


def _stop(message: str, code: int) -> NoReturn:
    say(f"Error: {message}")
    sys.exit(code)


if __name__ == "__main__":
    main()
