"""The tree engine beside shap's C kernel: one table, every row measured in the same run on the same rows.

    OMP_NUM_THREADS=1 taskset -c 1 python -m bench.trees [--cache DIR] [--only TEXT] [--interventional] [--interactions]

Medians of several runs of 500 rows x 50 features. Peers that take minutes are timed on fewer rows and scaled up; the
column `shap rows` says how many. For boosters, shap's own kernel is timed, not the booster's that it would call.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.tree_models import MAKERS, ROWS, data, model
from jobs.work.trees import engine
from jobs.work.trees.arrays import Trees
from jobs.work.trees.from_lightgbm import from_lightgbm
from jobs.work.trees.from_sklearn import from_sklearn
from jobs.work.trees.from_xgboost import from_xgboost

LONG_S = 2.0
SHAP_ROWS = {"forest 100 x depth 8": 100, "extra trees 100 x depth 12": 25, "forest 100 x depth 16": 10}
SHALLOW = ("boosting 500", "HistGradient", "XGBoost", "LightGBM", "depth 8")


def arrays(name: str, fitted: Any) -> Trees:
    """A fitted model's trees."""
    if name.startswith("XGBoost"):
        return from_xgboost(bytes(fitted.get_booster().save_raw("json")))
    if name.startswith("LightGBM"):
        return from_lightgbm(fitted.booster_.model_to_string().encode())
    return from_sklearn(fitted)


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """The median of several runs, of one if it is long."""
    taken: list[float] = []
    while len(taken) < repeats and (not taken or taken[0] < LONG_S):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return median(taken)


def row(name: str, shap_s: float, shap_rows: int, ours: dict[str, float], error: float) -> None:
    """One line of the table."""
    cells = "".join(f" {1e3 * ours[level]:9.1f} ms {shap_s / ours[level]:6.1f}x |" for level in ours)
    print(f"| {name:46} | {shap_s:8.2f} s | {shap_rows:4} |{cells} {error:.0e} |", flush=True)


def values(name: str, x: Any, fitted: Any, levels: tuple[str, ...]) -> None:
    """Path-dependent SHAP values."""
    import shap

    explainer = shap.TreeExplainer(fitted)
    explainer.model.model_type = "internal"
    few = SHAP_ROWS.get(name, 5 if "unlimited" in name else ROWS)
    trees = arrays(name, fitted)
    expected = explainer.shap_values(x[:few], check_additivity=False)
    shap_s = seconds(lambda: explainer.shap_values(x[:few], check_additivity=False), 3) * ROWS / few
    ours = {level: seconds(lambda level=level: engine.shap_values(trees, x, level=level)) for level in levels}  # type: ignore[misc]
    found = engine.shap_values(trees, x[:few])
    row(name, shap_s, few, ours, np.abs(found - expected).max() / np.abs(expected).max())


def interactions(name: str, x: Any, fitted: Any, levels: tuple[str, ...]) -> None:
    """Interaction values; shap on one row."""
    import shap

    explainer = shap.TreeExplainer(fitted)
    explainer.model.model_type = "internal"
    trees, few = arrays(name, fitted), 1
    expected = explainer.shap_interaction_values(x[:few])
    shap_s = seconds(lambda: explainer.shap_interaction_values(x[:few]), 1) * ROWS / few
    ours = {level: seconds(lambda level=level: engine.interaction_values(trees, x, level=level)) for level in levels}  # type: ignore[misc]
    error = np.abs(engine.interaction_values(trees, x[:few]) - expected).max() / np.abs(expected).max()
    row(f"{name}, interactions", shap_s, few, ours, error)


def interventional(name: str, x: Any, fitted: Any, levels: tuple[str, ...], size: int) -> None:
    """Against a background; shap on a few rows."""
    import shap

    background, few = data(size, seed=2)[0], 20 if size == 100 else 4
    explainer = shap.TreeExplainer(fitted, shap.maskers.Independent(background, max_samples=size))
    trees = arrays(name, fitted)
    expected = explainer.shap_values(x[:few], check_additivity=False)
    shap_s = seconds(lambda: explainer.shap_values(x[:few], check_additivity=False), 1) * ROWS / few
    ours = {
        level: seconds(lambda level=level: engine.Background(trees, background, level=level).values(x))  # type: ignore[misc]
        for level in levels
    }
    error = np.abs(engine.Background(trees, background).values(x[:few]) - expected).max() / np.abs(expected).max()
    row(f"{name}, {size} background rows", shap_s, few, ours, error)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/shap-supervisor-bench").expanduser())
    parser.add_argument("--only", default="")
    parser.add_argument("--numpy", action="store_true", help="also time the NumPy fallback")
    parser.add_argument("--interactions", action="store_true")
    parser.add_argument("--interventional", action="store_true")
    options = parser.parse_args()
    levels = engine.available()[0 if options.numpy else 1 :]
    x = data(ROWS, seed=1)[0]
    print("| model | shap | shap rows | " + " | ".join(levels) + " | largest difference |")
    print("|---" * (4 + len(levels)) + "|")
    for name in MAKERS:
        if options.only not in name:
            continue
        fitted = model(name, options.cache)
        if options.interactions:
            interactions(name, x, fitted, levels)
        elif options.interventional:
            for size in (100, 1000):
                if name.startswith("extra") or any(part in name for part in SHALLOW):
                    interventional(name, x, fitted, levels, size)
        else:
            values(name, x, fitted, levels)


if __name__ == "__main__":
    main()
