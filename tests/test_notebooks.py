"""The notebooks run from top to bottom on the embedded model, and show what they gave."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list[Any]:
    notebook: Any = nbformat.read(path, nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
class TestNotebooks:
    def test_it_is_stored_as_it_ran(self, path: Path) -> None:
        cells = code_cells(path)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        kinds = [output.output_type for cell in cells for output in cell.outputs]
        assert "error" not in kinds
        assert any("image/png" in out.get("data", {}) for cell in cells for out in cell.outputs)

    def test_it_installs_nothing(self, path: Path) -> None:
        assert not any("pip install" in cell.source for cell in code_cells(path))

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")  # of the kernel's own packages
    def test_it_runs(self, path: Path) -> None:
        pytest.importorskip("xllamacpp", reason="needs the extra 'local'")
        notebook: Any = nbformat.read(path, nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
        resources = {"metadata": {"path": str(path.parent)}}
        NotebookClient(notebook, timeout=100, resources=resources).execute()
