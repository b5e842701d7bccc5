"""Valid files of every format, small: what is damaged here shall be read as far as it goes. Seeded.

Runs in the campaign, the only place here that imports the scientific stack.
"""

import io
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy
from numpy.typing import NDArray

FEATURES = ("a", "b", "c", "d")
ROWS, TRAINING = 6, 80
Array = NDArray[numpy.float64]


class Sample(msgspec.Struct, kw_only=True):
    """One fitted model with what goes with it."""

    name: str
    format: str
    model: bytes
    predictions: list[float]
    """Of its first rows, in what is explained by default."""
    needs_background: bool = False


class Samples(msgspec.Struct, kw_only=True):
    """All models, and the rows that every one of them takes."""

    models: list[Sample]
    rows: list[list[float]]

    @property
    def csv(self) -> bytes:
        return "\n".join([",".join(FEATURES), *(",".join(map(repr, row)) for row in self.rows)]).encode()

    @property
    def npy(self) -> bytes:
        return npy(numpy.array(self.rows))

    @property
    def document(self) -> dict[str, Any]:
        return {"columns": list(FEATURES), "data": self.rows}


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    numpy.save(buffer, array)
    return buffer.getvalue()


def samples(seed: int) -> Samples:
    """Takes a few seconds."""
    chance = numpy.random.default_rng(seed)
    x = chance.normal(size=(TRAINING, len(FEATURES)))
    y = x[:, 0] * x[:, 1] + numpy.sin(2 * x[:, 2]) + x[:, 3] / 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [*_boosters(x, y), *_estimators(x, y)]
    return Samples(models=models, rows=x[:ROWS].tolist())


def _boosters(x: Array, y: Array) -> list[Sample]:
    import lightgbm
    import xgboost

    boosted = xgboost.XGBRegressor(n_estimators=3, max_depth=3, n_jobs=1).fit(x, y)
    light = lightgbm.LGBMRegressor(n_estimators=3, num_leaves=7, n_jobs=1, verbose=-1).fit(x, y)
    categorical = lightgbm.LGBMClassifier(n_estimators=3, num_leaves=7, n_jobs=1, verbose=-1)
    categorical.fit(numpy.c_[x[:, :3], numpy.abs(x[:, 3] * 3).round()], y > 0, categorical_feature=[3])
    found = [
        _sample("xgboost", "json", bytes(boosted.get_booster().save_raw("json")), boosted, x),
        _sample("xgboost ubjson", "ubjson", bytes(boosted.get_booster().save_raw("ubj")), boosted, x),
        _sample("lightgbm", "lightgbm", light.booster_.model_to_string().encode(), light, x),
        _sample("lightgbm classes", "lightgbm", categorical.booster_.model_to_string().encode(), None, x),
    ]
    return [*found, *_catboost(x, y)]


def _catboost(x: Array, y: Array) -> list[Sample]:
    """As its library writes it: the binary file, and the JSON that nobody here reads."""
    import catboost

    model = catboost.CatBoostRegressor(iterations=3, depth=3, thread_count=1, verbose=False, allow_writing_files=False)
    model.fit(x, y)
    with tempfile.TemporaryDirectory() as directory:
        written = {}
        for kind in ("cbm", "json"):
            model.save_model(f"{directory}/model", format=kind)
            written[kind] = Path(directory, "model").read_bytes()
    return [
        _sample("catboost", "binary", written["cbm"], model, x),
        _sample("catboost json", "json", written["json"], model, x),
    ]


def _estimators(x: Array, y: Array) -> list[Sample]:
    import skops.io
    from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestClassifier
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    small = {"max_depth": 3, "random_state": 0}
    kinds = {
        "forest": RandomForestClassifier(3, **small),
        "boosting": GradientBoostingRegressor(n_estimators=3, **small),
        "histogram": HistGradientBoostingRegressor(max_iter=3, **small),
        "linear": LinearRegression(),
        "pipeline": make_pipeline(StandardScaler(), LinearRegression()),
    }
    found = []
    for name, model in kinds.items():
        model.fit(x, y > 0 if name == "forest" else y)
        sample = _sample(name, "skops", skops.io.dumps(model), None if name == "forest" else model, x)
        sample.needs_background = name in ("linear", "pipeline")
        found.append(sample)
    return found


def _sample(name: str, kind: str, raw: bytes, model: Any, x: Array) -> Sample:
    predictions = [] if model is None else [float(value) for value in model.predict(x[:ROWS])]
    return Sample(name=name, format=kind, model=raw, predictions=predictions)


def as_json(document: Any) -> bytes:
    """As Python writes it: with NaN and Infinity, which JSON does not know."""
    return json.dumps(document).encode()
