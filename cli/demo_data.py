"""Runs in processes of its own, started by `demo`: what needs scikit-learn and shap, which the command never imports.

`train DIRECTORY` writes a model and its data; `compare DIRECTORY` holds the service's values against shap in one
process. Each prints one JSON object. Does not speak to the service.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil

TREES = 100


def train(directory: Path) -> dict[str, Any]:
    """A random forest on scikit-learn's breast cancer data, as `model.skops` and `data.csv`."""
    import skops.io
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    table, target = load_breast_cancer(as_frame=True, return_X_y=True)
    model = RandomForestClassifier(n_estimators=TREES, random_state=0).fit(table, target)
    skops.io.dump(model, directory / "model.skops")
    table.to_csv(directory / "data.csv", index=False)
    return {"rows": len(table), "features": table.shape[1], "trees": TREES}


def compare(directory: Path) -> dict[str, Any]:
    """The greatest difference between the service's values and shap's, and how long shap took."""
    begun = psutil.Process().create_time()
    import numpy
    import pandas
    import shap
    import skops.io

    path = directory / "model.skops"
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))  # our own file, written by `train`
    table = pandas.read_csv(directory / "data.csv")
    start = time.time() - begun
    started = time.perf_counter()
    expected = shap.TreeExplainer(model).shap_values(table)
    seconds = time.perf_counter() - started
    values = numpy.load(directory / "values.npy")
    if values.ndim < expected.ndim:
        expected = expected[..., -1]
    difference = float(numpy.abs(values - expected).max())
    return {"difference": difference, "seconds": seconds, "start": start, "shap": shap.__version__}


if __name__ == "__main__":
    print(json.dumps({"train": train, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))))
