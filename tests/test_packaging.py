"""The front door shows what is public, and importing it has no side effects."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import GenericAlias, ModuleType
from typing import Any

import pytest

PUBLIC = ("langgraph_parallel", "langgraph_parallel.aggregators")
OPTIONAL = ("typer", "rich", "xllamacpp")
INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT")

PROBE = f"""
import json, os, sys
import dotenv.main

asked, read = [], []


class WithoutOptionalPackages:
    def find_spec(self, name, path=None, target=None):
        if name in {OPTIONAL!r}:
            frame = sys._getframe()
            while frame.f_globals["__name__"].partition(".")[0] in ("__main__", "importlib"):
                frame = frame.f_back
            asked.append((frame.f_globals["__name__"], name))
            raise ModuleNotFoundError(name)


original = dotenv.main.DotEnv.__init__


def notice(self, *args, **kwargs):
    read.append(repr((args, kwargs)))
    original(self, *args, **kwargs)


dotenv.main.DotEnv.__init__ = notice
sys.meta_path.insert(0, WithoutOptionalPackages())
before = dict(os.environ)
import langgraph_parallel

print(json.dumps({{
    "asked": [who for who in asked if who[0].startswith("langgraph_parallel")],
    "read": read,
    "environment": [name for name in os.environ if os.environ[name] != before.get(name)],
}}))
"""


def in_order(name: str) -> tuple[int, str]:
    """Order names as ruff does: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def public_names(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    ]


def has_docstring(value: Any) -> bool:
    """Say whether somebody wrote a docstring; dataclasses make one up from their fields."""
    text = value.__doc__ or ""
    return bool(text.strip()) and not text.startswith(f"{value.__name__}(")


@pytest.mark.parametrize("name", PUBLIC)
class TestFrontDoor:
    def test_all_names_what_is_public_in_order_and_nothing_else(self, name: str) -> None:
        module = importlib.import_module(name)
        assert module.__all__ == sorted(public_names(module), key=in_order)

    def test_everything_public_explains_itself(self, name: str) -> None:
        module = importlib.import_module(name)
        assert inspect.getdoc(module)
        values = {public: getattr(module, public) for public in module.__all__}
        own = {n: v for n, v in values.items() if not isinstance(v, GenericAlias)}
        explained = {n: v for n, v in own.items() if inspect.isclass(v) or inspect.isroutine(v)}
        assert len(explained) > len(values) // 2
        assert [public for public, value in explained.items() if not has_docstring(value)] == []


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What importing the package does in a process of its own, in a folder with a `.env`."""
    folder: Path = tmp_path_factory.mktemp("project")
    (folder / ".env").write_text("LANGGRAPH_PARALLEL_MODEL=from-the-file\n")
    # Not the whole environment: this process has imported the package already.
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
class TestImport:
    def test_it_works_without_the_optional_packages_and_does_not_ask_for_them(
        self, seen: Any
    ) -> None:
        assert seen["asked"] == []

    def test_no_env_file_is_read(self, seen: Any) -> None:
        assert seen["read"] == []

    def test_environment_stays_as_it_is(self, seen: Any) -> None:
        assert seen["environment"] == []
