"""shap in one process: the other side of every comparison.

As a script (`python -m bench.alone MODEL ROWS VALUES`) it loads model and rows, which is not timed, then explains once
for every line it reads, and prints one JSON line each. Threads and settings are as shap and the libraries come.
`Alone` is the benchmark's end of that pipe.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cli.processes import ROOT


class Alone:
    """`with Alone(model, rows, values) as alone: alone.measure()`."""

    def __init__(self, model: Path, rows: Path, values: Path) -> None:
        command = [sys.executable, "-m", "bench.alone", str(model), str(rows), str(values)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Alone":
        self._answer()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def measure(self) -> dict[str, float]:
        """Seconds of `shap.TreeExplainer(model)` (`build`) and of its `shap_values(rows)` (`explain`)."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer


def _load(path: Path) -> Any:
    if path.suffix == ".txt":
        import lightgbm

        return lightgbm.Booster(model_file=path)
    if path.suffix == ".skops":
        import skops.io

        return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    import xgboost

    model = xgboost.XGBRegressor()
    model.load_model(path)
    return model


def _main(model_path: Path, rows_path: Path, values_path: Path) -> None:
    import numpy
    import shap

    model, rows = _load(model_path), numpy.load(rows_path)
    print("{}", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        explainer = shap.TreeExplainer(model)
        built = time.perf_counter()
        values = explainer.shap_values(rows)
        ended = time.perf_counter()
        numpy.save(values_path, values)
        print(json.dumps({"build": built - started, "explain": ended - built}), flush=True)


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:4]))
