"""A small model with its data, and one private service for all tests that only submit to it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.processes import ROOT, module_environment
from cli.stack import Stack

ROWS, FEATURES = 40, 3
MAKE_FILES = f"""
import sys
import numpy, xgboost
folder = sys.argv[1]
random = numpy.random.default_rng(0)
x = random.normal(size=({ROWS}, {FEATURES}))
model = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(x, x[:, 0] - 2 * x[:, 1])
model.save_model(folder + "/model.json")
numpy.save(folder + "/rows.npy", x)
numpy.savetxt(folder + "/rows.csv", x, delimiter=",", header="f0,f1,f2", comments="")
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.json, rows.npy and rows.csv; made in a process of its own, so that tests stay light."""
    folder = tmp_path_factory.mktemp("files")
    subprocess.run([sys.executable, "-c", MAKE_FILES, str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(os.environ, private=True) as running:
        yield running


@pytest.fixture
def command() -> Run:
    """Runs `shap-supervisor ARGUMENTS` to its end in a process of its own."""

    def run(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", *map(str, arguments)],
            cwd=ROOT,
            env=module_environment({**os.environ, **(env or {})}),
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    return run
