"""`make bench` still runs: a small model, few rows; its figures mean nothing here, but its values must be right."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import sandbox

ROOT = Path(__file__).parents[2]
WHO = ("--who", "engine", "--who", "shap", "--who", "XGBoost")
"""Other peers are not installed with the tests, and slow."""


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "--quick", "--model", "small", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=115)


def rows(page: Path) -> list[list[str]]:
    """The table's cells."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ") and not line.startswith("| work")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.slow
def test_every_kernel_agrees_with_shap(tmp_path: Path) -> None:
    ended = bench("--only", "one-core", *WHO, "--write", str(tmp_path / "page.md"))
    assert ended.returncode == 0, ended.stderr
    found = rows(tmp_path / "page.md")
    engine = [cells for cells in found if cells[1].startswith("engine")]
    works = [cells[0] for cells in found if cells[0]]
    assert len(works) == 4, works  # values, interactions, two backgrounds
    assert len(engine) >= len(works)
    assert all(float(cells[6]) < 1e-6 for cells in engine), engine


def test_pairs_are_compared_one_by_one() -> None:
    """Of 1,000 the interval's ends are 30 ranks from the median; what disturbs a few pairs moves neither."""
    ratios = [1.0 + number / 1000 for number in range(1000)]
    assert sandbox._median_within(ratios) == pytest.approx((1.469, 1.4995, 1.530))
    assert sandbox._median_within([*ratios[:-100], *[90.0] * 100]) == pytest.approx((1.469, 1.4995, 1.530))
    assert sandbox._median_within([2.0]) == (2.0, 2.0, 2.0)


@pytest.mark.slow
def test_the_service_is_measured(tmp_path: Path) -> None:
    ended = bench("--only", "memory", "--write", str(tmp_path / "page.md"))
    assert ended.returncode == 0, ended.stderr
    assert {cells[1] for cells in rows(tmp_path / "page.md")} == {"web", "supervisor", "children"}


@pytest.mark.slow
def test_the_client_is_measured_beside_curl(tmp_path: Path) -> None:
    ended = bench("--model", "xgboost", "--only", "client", "--write", str(tmp_path / "page.md"))
    assert ended.returncode == 0, ended.stderr
    client, curl = rows(tmp_path / "page.md")
    assert (client[1], curl[1]) == ("client", "curl, NPY")
    assert float(client[6]) == 0
