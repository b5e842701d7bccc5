"""The models that bench/trees.py measures: 50 features, trained once and kept on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

FEATURES = 50
TRAINING_ROWS = 10_000
ROWS = 500
Floats = NDArray[np.float64]


def data(rows: int = TRAINING_ROWS, seed: int = 0) -> tuple[Floats, Floats]:
    """Rows and a target with main effects, interactions and noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, FEATURES))
    y = x[:, 0] + x[:, 1] * x[:, 2] + np.sin(3 * x[:, 3]) + 0.5 * x[:, 4:14].sum(axis=1) + random.normal(size=rows)
    return x, y


def _forest(**options: Any) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn.ensemble import RandomForestRegressor

        return RandomForestRegressor(100, random_state=0, n_jobs=1, **options)

    return make


def _extra_trees() -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(100, max_depth=12, random_state=0)


def _boosting() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(n_estimators=500, max_depth=6, max_features=0.2, random_state=0)


def _histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(max_iter=300, max_leaf_nodes=31, early_stopping=False, random_state=0)


def _xgboost() -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=500, max_depth=6, n_jobs=1)


def _lightgbm() -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=500, num_leaves=31, n_jobs=1, verbose=-1)


MAKERS: dict[str, Callable[[], Any]] = {
    "boosting 500 x depth 6": _boosting,
    "HistGradientBoosting 300 x 31 leaves": _histogram,
    "XGBoost 500 x depth 6": _xgboost,
    "LightGBM 500 x 31 leaves": _lightgbm,
    "forest 100 x depth 8": _forest(max_depth=8, max_features=0.33),
    "extra trees 100 x depth 12": _extra_trees,
    "forest 100 x depth 16": _forest(max_depth=16, max_features=0.33),
    "forest 100, unlimited": _forest(max_features=0.33),
}


def model(name: str, cache: Path) -> Any:
    """The fitted model of that name."""
    path = cache / f"{name.replace(' ', '-').replace(',', '')}.joblib"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        joblib.dump(MAKERS[name]().fit(*data()), path)
    return joblib.load(path)
