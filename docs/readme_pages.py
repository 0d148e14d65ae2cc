"""Makes pages of README.md and of other files, so that nothing is written twice.

What stands before the first of `PAGES` in README.md is the start page.
"""

import re
from collections.abc import Mapping
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

FILES = {
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "recorded-votes.md": "benchmarks/voting/data/README.md",
}
"""Pages that are whole files."""

SEE_ALSO = {
    "index.md": ["practice.md", "choosing.md", "embedding.md", "api/patterns.md"],
    "sectioning.md": ["create_sectioning", "Section", "api/aggregates.md", "seeing.md"],
    "voting.md": ["create_voting", "Voter", "panel_statistics", "choosing.md"],
    "guardrail.md": ["create_guardrail", "Guard", "after_verdict", "mask_personal", "limits.md"],
    "choosing.md": ["api/voting.md", "voting.md", "practice.md", "recorded-votes.md"],
    "embedding.md": ["as_node", "as_tool", "resume", "remote_branch", "build_sectioning"],
    "seeing.md": ["api/reports.md", "errors.BranchFailedError", "limits.md"],
    "studio.md": ["ready-made-graphs.md", "nodes.settings.Configure", "contributing.md"],
    "ready-made-graphs.md": ["studio.md", "models.md", "api/patterns.md"],
    "limits.md": ["api/reports.md", "api/errors.md", "scaling.md"],
    "comparison.md": ["guardrail.md", "after_verdict", "scaling.md"],
    "scaling.md": ["limits.md", "comparison.md"],
    "models.md": ["nodes.models.ModelLike", "errors.ModelUnavailableError", "limits.md"],
}
"""Pages, and names of the reference, that follow a page of the README."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and the pictures that they show."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = titles(config)
    for name, text in pages(readme).items():
        files.append(File.generated(config, name, content=text + see_also(name, named)))
    for name, path in FILES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
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


def titles(config: MkDocsConfig) -> dict[str, str]:
    """Give the titles of the pages in the sections of the menu, by file name."""
    found: dict[str, str] = {}
    for entry in config.nav or []:
        for section, inside in entry.items():
            for page in inside if isinstance(inside, list) else []:
                for title, name in page.items():
                    found[name] = f"{title} (reference)" if section == "Reference" else title
    return found


def see_also(page: str, named: Mapping[str, str]) -> str:
    """Write the links that follow a page.

    Args:
        page: Its file name.
        named: Titles of pages; what has none is a name of the reference.
    """
    links = [
        f"[{named[to]}]({to})"
        if to in named
        else f"[`{to.rpartition('.')[2]}`][langgraph_parallel.{to}]"
        for to in SEE_ALSO[page]
    ]
    return f"\n\n**See also:** {', '.join(links)}\n"
