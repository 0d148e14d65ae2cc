"""The command `langgraph-parallel`, also as `python -m langgraph_parallel`."""

import sys

from dotenv import find_dotenv, load_dotenv

EXTRA = "langgraph-parallel[cli]"


def main() -> None:
    """Run the command line.

    Settings in a `.env` file of the working directory or a folder above it hold unless the
    environment has them.
    """
    try:
        load_dotenv(find_dotenv(usecwd=True), override=False)
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(_error(f"The file .env cannot be read: {error}. Correct or remove it."))
    try:
        from langgraph_parallel.cli import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit(
            _error(
                f"The command line needs the package {error.name}, which is not installed. Run "
                f"`pip install '{EXTRA}'`."
            )
        )
    app(prog_name="langgraph-parallel")


def _error(message: str) -> int:
    sys.stderr.write(f"Error: {message}\n")
    return 2


if __name__ == "__main__":
    main()
