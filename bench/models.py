"""Runs in a process of its own: makes the models and the rows that are measured, as files.

`python -m bench.models DIRECTORY ROWS BIG_ROWS`. The same seed gives the same files on the same versions.
"""

import sys
from pathlib import Path

import numpy
from numpy.typing import NDArray

FEATURES = 50
TREES, DEPTH = 300, 5
TRAINING_ROWS = 20_000
SLOW_TRAINING_ROWS = 4_000
"""For scikit-learn's GradientBoosting, which trains slowly; its trees have the same depth."""
SMALL_ROWS = 100
Array = NDArray[numpy.float64]


def main(directory: Path, rows: int, big_rows: int) -> None:
    random = numpy.random.default_rng(7)
    x, y = _training_set(random)
    _xgboost(x, y, TREES, DEPTH).save_model(directory / "xgboost.json")
    _xgboost(x, y, 20, 3).save_model(directory / "small.json")
    _lightgbm(x, y).save_model(directory / "lightgbm.txt")
    _scikit_learn(x[:SLOW_TRAINING_ROWS], y[:SLOW_TRAINING_ROWS], directory / "scikit-learn.skops")
    for name, count in (("rows", rows), ("big", big_rows), ("few", SMALL_ROWS)):
        numpy.save(directory / f"{name}.npy", random.normal(size=(count, FEATURES)))


def _training_set(random: numpy.random.Generator) -> tuple[Array, Array]:
    x = random.normal(size=(TRAINING_ROWS, FEATURES))
    y = x[:, 0] * x[:, 1] + numpy.sin(3 * x[:, 2]) + x[:, 3:].sum(axis=1) / 5 + random.normal(size=len(x)) / 2
    return x, y


def _xgboost(x: Array, y: Array, trees: int, depth: int):  # type: ignore[no-untyped-def]
    import xgboost

    return xgboost.XGBRegressor(n_estimators=trees, max_depth=depth, learning_rate=0.1).fit(x, y)


def _lightgbm(x: Array, y: Array):  # type: ignore[no-untyped-def]
    import lightgbm

    model = lightgbm.LGBMRegressor(n_estimators=TREES, max_depth=DEPTH, num_leaves=2**DEPTH, verbose=-1)
    return model.fit(x, y).booster_


def _scikit_learn(x: Array, y: Array, path: Path) -> None:
    import skops.io
    from sklearn.ensemble import GradientBoostingRegressor

    skops.io.dump(GradientBoostingRegressor(n_estimators=TREES, max_depth=DEPTH, max_features=0.3).fit(x, y), path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
