"""Every example in the docstrings does what it says, and every public name is in the reference."""

import ast
import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from textwrap import dedent

import pytest

import langgraph_parallel

MODULES = sorted(
    [
        langgraph_parallel.__name__,
        *(
            module.name
            for module in pkgutil.walk_packages(
                langgraph_parallel.__path__, f"{langgraph_parallel.__name__}."
            )
        ),
    ]
)
REFERENCE = Path(__file__).parents[1] / "docs" / "api"
FENCED = re.compile(r"^( *)```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def examples(name: str) -> list[doctest.DocTest]:
    """Find the docstrings of a module, those with no doctests too."""
    return doctest.DocTestFinder(exclude_empty=False).find(importlib.import_module(name))


def test_walk_finds_the_modules_of_every_folder() -> None:
    for name in ("aggregators.rules", "graphs.voting", "nodes.voting", "errors"):
        assert f"langgraph_parallel.{name}" in MODULES


def test_public_rules_and_stops_have_examples_that_run() -> None:
    found = [
        test.name
        for name in ("rules", "rounds", "counting", "ballots", "verdict")
        for test in examples(f"langgraph_parallel.aggregators.{name}")
        if test.examples
    ]
    for name in ("rules.plurality", "rounds.need", "counting.posterior", "ballots.match_option"):
        assert f"langgraph_parallel.aggregators.{name}" in found


@pytest.mark.parametrize("name", MODULES)
def test_doctests_pass(name: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    output: list[str] = []
    for test in examples(name):
        runner.run(test, out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)


@pytest.mark.parametrize("name", MODULES)
def test_fenced_examples_are_python(name: str) -> None:
    for test in examples(name):
        for _, code in FENCED.findall(test.docstring or ""):
            ast.parse(dedent(code), test.name)


@pytest.mark.parametrize("name", langgraph_parallel.__all__)
def test_each_public_name_is_on_a_page_of_the_reference(name: str) -> None:
    public = getattr(langgraph_parallel, name)
    shown = "".join(page.read_text(encoding="utf-8") for page in REFERENCE.glob("*.md"))
    entries = set(re.findall(r"(?m)^::: (\S+)$", shown))
    places = {
        f"langgraph_parallel.{name}",
        f"{public.__module__}.{public.__qualname__}",
        public.__module__,
    }
    assert places & entries, f"add '::: langgraph_parallel.{name}' to a page of docs/api"
