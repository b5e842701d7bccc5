"""The notebook of examples/, run as people run it: against a service, and with one of its own."""

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib.image
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from shap_supervisor import Client, Unreachable

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"
SEEDED = "np.random.seed(0)\n"
"""shap's swarm is drawn."""
SHAP_ALONE = "e = shap.TreeExplainer(model)(X)"


def run(notebook: Any) -> list[Any]:
    """Its cells of code, with what they put out."""
    NotebookClient(notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": "/"}}).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def picture(cell: Any) -> Any:
    (found,) = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(found)))


def check_job(cell: Any) -> None:
    """Cancelled, taken up again, and seen on its way."""
    assert "was cancelled" in text(cell)
    assert "finished 200226 True" in text(cell)
    assert "/200,226 rows" in text(cell)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_pictures_are_those_of_shap_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHAP_SUPERVISOR_URL", url)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    plots = [cell for cell in notebook.cells if cell.source.startswith("shap.plots.")]
    assert len(plots) == 6
    for cell in plots:
        cell.source = SEEDED + cell.source
    new = nbformat.v4.new_code_cell
    notebook.cells += [new(SHAP_ALONE), *(new(cell.source) for cell in plots)]
    cells = run(notebook)
    assert len(cells) == 10 + 7
    for ours, theirs in zip(cells[2:8], cells[-6:], strict=True):
        assert picture(ours).shape == picture(theirs).shape
        assert np.abs(picture(ours) - picture(theirs)).mean() < 1e-4, ours.source
    check_job(cells[9])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_service_of_its_own_stops_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHAP_SUPERVISOR_URL", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith("shap.plots.")]
    notebook.cells.append(nbformat.v4.new_code_cell("print(client.url)"))
    *_, job, address = run(notebook)
    check_job(job)
    with pytest.raises(Unreachable), Client(text(address).strip(), timeout=1) as late:
        late.health()
