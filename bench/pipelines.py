"""Pipelines of scikit-learn over HTTP, beside shap.TreeExplainer on their last step.

shap is given what the steps make, ready, and as many rows as it explains in SHAP_S, and is scaled; one-hot columns are
added up before values are compared. The service reads a CSV file and explains every row.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.service import BATCH_SIZE, explain, running
from bench.table import Line
from cli.client import Client

GOAL = 50
CHUNKS = {"auto": "chunks by its pace", str(BATCH_SIZE): f"chunks of {BATCH_SIZE}"}
SHAP_S = 3.0
TRAINING_ROWS = 10_000
FIRST_ROWS = 16
NUMBERS, WORDS = [f"n{place}" for place in range(12)], ["city", "job", "make"]


def measure(directory: Path, *, rows: int, rounds: int) -> Iterator[Line]:
    frame, target = _table(rows)
    data = directory / "mixed.csv"
    frame.to_csv(data, index=False)
    few = min(rows, TRAINING_ROWS)
    fitted = {title: make().fit(frame[:few], target[:few]) for title, make in PIPELINES.items()}
    for batch_size, chunks in CHUNKS.items():
        with running(SHAP_BATCH_SIZE=batch_size) as (_, client):
            for title, pipeline in fitted.items():
                line = _line(client, directory, title, pipeline, frame, rounds=rounds)
                yield line._replace(remarks=f"{chunks}; {line.remarks}")


def _line(client: Client, directory: Path, title: str, pipeline: Any, frame: Any, *, rounds: int) -> Line:
    model, values = directory / "pipeline.skops", directory / "pipeline.npy"
    _save(pipeline, model)
    taken = [explain(client, model, directory / "mixed.csv", values)[0] for _ in range(rounds)]
    each, wanted = _shap(pipeline, frame)
    found = np.load(values)[: len(wanted)]
    ratio = each * len(frame) / median(taken)
    return Line(
        f"{len(frame):,} rows of a mixed table, pipelines beside shap on the last step",
        title,
        os.cpu_count() or 1,
        f"{len(frame) / median(taken):,.0f} rows/s",
        f"x {ratio:.3g}",
        f"x {GOAL}",
        ratio >= GOAL,
        float(np.abs(found - wanted).max() / np.abs(wanted).max()),
        f"first round x {each * len(frame) / taken[0]:.3g}; shap {1 / each:,.0f} rows/s",
    )


def _save(pipeline: Any, path: Path) -> None:
    import skops.io

    skops.io.dump(pipeline, path)


def _shap(pipeline: Any, frame: Any) -> tuple[float, Any]:
    """Seconds a row on one core, and the values of as many as that was measured with, by the table's columns."""
    import shap

    made, explainer, rows = pipeline[:-1].transform(frame), shap.TreeExplainer(pipeline[-1]), FIRST_ROWS
    while True:
        began = time.perf_counter()
        values = explainer.shap_values(made[:rows], check_additivity=False)
        seconds = time.perf_counter() - began
        if seconds > SHAP_S / 4 or rows == len(frame):
            return seconds / len(values), _added_up(pipeline, frame, values)
        rows = min(len(frame), rows * 4)


def _added_up(pipeline: Any, frame: Any, values: Any) -> Any:
    names = [name.rpartition("__")[2] for name in pipeline[:-1].get_feature_names_out()]
    of = [next(place for place, own in enumerate(frame) if name.partition("_")[0] == own) for name in names]
    found = np.zeros((len(values), frame.shape[1]))
    for column, place in enumerate(of):
        found[:, place] += values[:, column]
    return found


def _table(rows: int) -> tuple[Any, Any]:
    """Numbers, some of them missing, and words; and what is to be predicted."""
    import pandas as pd

    random = np.random.default_rng(17)
    frame = pd.DataFrame(random.normal(size=(rows, len(NUMBERS))), columns=NUMBERS)
    for count, name in zip((4, 10, 25), WORDS, strict=True):
        frame[name] = random.choice([f"{name}{number}" for number in range(count)], rows)
    frame.loc[random.random(rows) < 0.05, "n0"] = np.nan
    target = frame["n1"] * frame["n2"] + frame["n3"] + (frame["city"] == "city1") + random.normal(0, 0.1, rows)
    return frame, target


def _scaled_forest() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers = ColumnTransformer([("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)])
    return make_pipeline(numbers, RandomForestRegressor(100, max_depth=16, random_state=0, n_jobs=-1))


def _encoded(last: Any) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    parts = [("words", OneHotEncoder(sparse_output=False), WORDS), ("numbers", SimpleImputer(), NUMBERS)]
    return make_pipeline(ColumnTransformer(parts), last)


def _boosting(trees: int, depth: int) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return _encoded(GradientBoostingRegressor(n_estimators=trees, max_depth=depth, subsample=0.3, random_state=0))


def _histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return _encoded(HistGradientBoostingRegressor(max_iter=200, random_state=0))


PIPELINES: dict[str, Callable[[], Any]] = {
    "scaler, forest of 100, depth 16": _scaled_forest,
    "one-hot, boosting 300 x depth 6": lambda: _boosting(300, 6),
    "one-hot, histogram boosting 200": _histogram,
    "one-hot, boosting 100 x depth 3": lambda: _boosting(100, 3),
}
