"""What the client costs beside curl: the same large job from memory into memory, and from file to file, in turns.

Both send NPY, wait for the job's events and fetch NPY. What the client imports lazily is imported before.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.models import FEATURES, rows_file, uploaded
from bench.service import running
from bench.table import Line
from shap_supervisor import Client

MODEL = "xgboost"
ROWS = 200_000
GOAL = 0.9
"""Of curl's speed."""
WARM_UP_ROWS = 1_000


def measure(directory: Path, *, rows: int, rounds: int) -> Iterator[Line]:
    if shutil.which("curl") is None:
        raise RuntimeError("curl is not installed here, and it is what the client is compared with")
    model, path, values = uploaded(directory, MODEL), rows_file(directory, rows), directory / "curl.npy"
    table = np.load(path)
    taken: dict[str, list[float]] = {"client": [], "curl": []}
    with running() as (stack, _), Client(stack.url) as client:
        client.explain(model, table[:WARM_UP_ROWS])
        for _ in range(rounds):
            started = time.perf_counter()
            found = client.explain(model, table, progress=False).values
            taken["client"].append(time.perf_counter() - started)
            started = time.perf_counter()
            _curl(stack.url, model, path, values)
            taken["curl"].append(time.perf_counter() - started)
    difference = float(np.abs(found - np.load(values)).max())
    share = median(taken["curl"]) / median(taken["client"])
    work = f"{rows:,} rows x {FEATURES} through the client"
    rates = {who: f"{rows / median(seconds):,.0f} rows/s" for who, seconds in taken.items()}
    yield Line(work, "client", 1, rates["client"], f"x {share:.3g}", f"x {GOAL}", share >= GOAL, difference)
    yield Line(work, "curl, NPY", 1, rates["curl"], "x 1")


def _curl(url: str, model: Path, rows: Path, values: Path) -> None:
    """Submit, follow, fetch."""
    accepted: dict[str, Any] = json.loads(_asked("-F", f"model=@{model}", "-F", f"data=@{rows}", f"{url}/analyze"))
    path = f"{url}/jobs/{accepted['job_id']}"
    _asked("-N", f"{path}/events")
    _asked("-H", "Accept: application/x-npy", "-o", str(values), f"{path}/result")


def _asked(*arguments: str) -> str:
    return subprocess.run(["curl", "-sf", *arguments], check=True, capture_output=True, text=True).stdout
