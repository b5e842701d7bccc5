"""The models and rows that are measured, made in a process of their own, once a run, as files.

`python -m bench.models DIRECTORY TRAINING_ROWS NAME ...`: NAME.joblib, the fitted object for engines in Python, and
NAME with the suffix of `MODELS`, the file that is uploaded. The same seed gives the same files on the same versions.
Does not measure anything.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray

FEATURES = 50
TRAINING_ROWS = 10_000
TINY_FEATURES = 8
Floats = NDArray[np.float64]


class Model(NamedTuple):
    """`make` gives an unfitted estimator."""

    title: str
    suffix: str
    make: Callable[[], Any]
    features: int = FEATURES


def _forest(**options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(100, max_features=0.33, random_state=0, n_jobs=-1, **options)

    return make


def _extra_trees() -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(100, max_depth=12, random_state=0, n_jobs=-1)


def _boosting() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=500, max_depth=6, max_features=0.2, random_state=0)


def _histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=300, max_leaf_nodes=31, early_stopping=False, random_state=0)


def _xgboost(trees: int, depth: int) -> Callable[[], Any]:
    def make() -> Any:
        from xgboost import XGBRegressor

        return XGBRegressor(n_estimators=trees, max_depth=depth, learning_rate=0.1)

    return make


def _lightgbm() -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=500, num_leaves=31, verbose=-1)


MODELS = {
    "boosting": Model("boosting 500 x depth 6", ".skops", _boosting),
    "histogram": Model("HistGradientBoosting 300 x 31 leaves", ".skops", _histogram),
    "xgboost": Model("XGBoost 500 x depth 6", ".json", _xgboost(500, 6)),
    "lightgbm": Model("LightGBM 500 x 31 leaves", ".txt", _lightgbm),
    "depth-8": Model("forest 100 x depth 8", ".skops", _forest(max_depth=8)),
    "extra": Model("extra trees 100 x depth 12", ".skops", _extra_trees),
    "depth-16": Model("forest 100 x depth 16", ".skops", _forest(max_depth=16)),
    "unlimited": Model("forest 100, unlimited depth", ".skops", _forest()),
    "small": Model("XGBoost 20 x depth 3", ".json", _xgboost(20, 3)),
    "tiny": Model("XGBoost 10 x depth 3, 8 features", ".json", _xgboost(10, 3), TINY_FEATURES),
}


def data(rows: int, seed: int, features: int = FEATURES) -> tuple[Floats, Floats]:
    """Rows (n, features) and a target (n,) with main effects, interactions and noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, features))
    y = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + 0.5 * x[:, 4:14].sum(axis=1) + random.normal(size=rows)
    return x, y


def uploaded(directory: Path, name: str) -> Path:
    """The file of a model that a client would upload."""
    return (directory / name).with_suffix(MODELS[name].suffix)


def fitted(directory: Path, name: str) -> Any:
    """The estimator, with as many threads as the process may have."""
    return joblib.load(directory / f"{name}.joblib")


def rows_file(directory: Path, rows: int, features: int = FEATURES) -> Path:
    """New rows as an .npy file, made when they are first asked for."""
    path = directory / f"rows-{rows}-{features}.npy"
    if not path.exists():
        np.save(path, data(rows, seed=1, features=features)[0])
    return path


def _save(name: str, directory: Path, training_rows: int) -> None:
    model = MODELS[name].make().fit(*data(training_rows, seed=0, features=MODELS[name].features))
    joblib.dump(model.set_params(n_jobs=1) if "n_jobs" in model.get_params() else model, directory / f"{name}.joblib")
    path = uploaded(directory, name)
    match path.suffix:
        case ".json":
            model.save_model(path)
        case ".txt":
            model.booster_.save_model(path)
        case _:
            import skops.io

            skops.io.dump(model, path)


def _main(directory: Path, training_rows: int, names: list[str]) -> None:
    for name in names:
        _save(name, directory, training_rows)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
