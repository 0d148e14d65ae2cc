"""Check what users will install: `check_wheel.py dist`, with the sdist and the wheel in dist/.

The wheel must hold the tracked files and no others, must be the same when built without the sdist,
and must work in a new environment away from this tree.
"""
# ruff: noqa: INP001, S603, T201

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "langgraph_parallel"
FOLDERS = ("graphs", "nodes", "aggregators")
SYMBOLIC_LINK = "120000"

PROBE = f"""
import importlib, importlib.util, pathlib, sys
import {PACKAGE}

home = pathlib.Path({PACKAGE}.__file__).resolve()
assert home.is_relative_to(pathlib.Path(sys.prefix).resolve()), f"imported from {{home}}"
assert (home.parent / "py.typed").is_file(), "py.typed is missing"
for folder in {FOLDERS}:
    importlib.import_module("{PACKAGE}." + folder)
    assert importlib.util.find_spec(folder) is None, f"{{folder}} is importable by itself"
"""


def main() -> None:
    """Run all checks; stop at the first that fails."""
    dist = Path(sys.argv[1]).resolve()
    wheel, *others = dist.glob("*.whl")
    if others:
        sys.exit(f"{dist} has more than one wheel")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        check_files(wheel, scratch)
        check_installed(wheel, scratch)


def check_files(wheel: Path, scratch: Path) -> None:
    """Compare the wheel with the tracked files, and with a wheel built from the tree."""
    contents = read(wheel)
    compare("the wheel", set(contents), "the tracked files", tracked())
    run(sys.executable, "-m", "build", "--wheel", "--outdir", str(scratch), str(ROOT))
    direct = read(scratch / wheel.name)
    compare("the wheel from the sdist", set(contents), "the wheel from the tree", set(direct))
    if contents != direct:
        sys.exit("The wheels from the sdist and from the tree have files that differ.")
    print(f"{wheel.name} holds the {len(contents)} tracked files of the package.")


def tracked() -> set[str]:
    """Return the tracked files of the package, by the paths that they have in the wheel."""
    listing = run("git", "ls-files", "--stage", f"src/{PACKAGE}", *FOLDERS)
    files = set()
    for line in listing.splitlines():
        facts, path = line.split("\t")
        if not facts.startswith(SYMBOLIC_LINK):
            in_src = path.startswith("src/")
            files.add(path.removeprefix("src/") if in_src else f"{PACKAGE}/{path}")
    return files


def read(wheel: Path) -> dict[str, int]:
    """Return the checksum of each file of the wheel, but for its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            item.filename: item.CRC
            for item in archive.infolist()
            if ".dist-info/" not in item.filename
        }


def compare(left: str, left_files: set[str], right: str, right_files: set[str]) -> None:
    """Stop if one side has files that the other lacks."""
    if left_files != right_files:
        print(f"Only in {left}: {sorted(left_files - right_files)}")
        print(f"Only in {right}: {sorted(right_files - left_files)}")
        sys.exit(f"The files of {left} and of {right} differ.")


def check_installed(wheel: Path, scratch: Path) -> None:
    """Install the wheel in a new environment and use it from an empty folder."""
    python = scratch / "venv" / "bin" / "python"
    command = str(python.with_name("langgraph-parallel"))
    empty = scratch / "empty"
    empty.mkdir()
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--constraint", str(ROOT / "constraints.txt")]

    run(sys.executable, "-m", "venv", str(python.parents[1]))
    run(*install, str(wheel))
    run(*pip, "check")
    run(str(python), "-c", PROBE, cwd=empty)
    print(f"{PACKAGE} imports in a new environment; {', '.join(FOLDERS)} do not by themselves.")

    for start in ([command], [str(python), "-m", PACKAGE]):
        plain = subprocess.run(
            [*start, "--help"], cwd=empty, env=clean_environment(), capture_output=True, check=False
        )
        output = (plain.stdout + plain.stderr).decode()
        if "langgraph-parallel[cli]" not in output or "Traceback" in output:
            sys.exit(f"Without the cli extra, the command must say what to install:\n{output}")
    run(*install, f"{wheel}[cli]")
    run(command, "--help", cwd=empty)
    print("langgraph-parallel --help works with the cli extra, and asks for it without.")


def run(*command: str, cwd: Path = ROOT) -> str:
    """Return what *command* prints; stop with it if the command fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean_environment(),
        check=False,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nFailed: {' '.join(command)}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return the environment without what would let Python import from elsewhere."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


if __name__ == "__main__":
    main()
