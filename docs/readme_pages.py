"""Makes pages of the sections of README.md, so that nothing is written twice.

What stands before the first of `PAGES` is the start page.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

PAGES = {
    "Sectioning": "sectioning.md",
    "Voting": "voting.md",
    "Guardrail": "guardrail.md",
    "Choosing rules and stops": "choosing.md",
    "Inside your own graph": "embedding.md",
    "See what happened": "seeing.md",
    "LangGraph Studio": "studio.md",
    "Ready-made graphs": "ready-made-graphs.md",
    "Limits and cost": "limits.md",
    "Compared with doing it by hand and with other libraries": "comparison.md",
    "Scaling": "scaling.md",
    "Models": "models.md",
}
"""Headings of the README that get a page of their own; others stay on the page before them."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the pictures that they show."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, text in pages(readme).items():
        files.append(File.generated(config, name, content=text))
    for picture in sorted(set(re.findall(r"\]\((static/[^)]+)\)", readme))):
        files.append(File.generated(config, picture, abs_src_path=str(ROOT / picture)))
    return files


def pages(readme: str) -> dict[str, str]:
    """Split the README into pages by file name."""
    made: dict[str, str] = {"index.md": ""}
    name = "index.md"
    for section in re.split(r"(?m)^(?=## )", readme):
        heading = section.partition("\n")[0].removeprefix("## ")
        if heading in PAGES:
            name = PAGES[heading]
            section = section.removeprefix("#")  # noqa: PLW2901
        made[name] = made.get(name, "") + section
    return made
