"""Valid files of every format, small: what is damaged here shall be read as far as it goes. Seeded.

Runs in the campaign; imports the scientific stack, as `tables` does.
"""

import io
import re
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy
from numpy.typing import NDArray

from fuzz.tables import Columns, Table, npy, tables

FEATURES = ("a", "b", "c", "d")
ROWS, TRAINING = 6, 80
CITIES = ("Bern am See", "Lyon", "Oslo", "=1+1")
SIZES = ("S", "M", "L", "1")
Array = NDArray[numpy.float64]
_ADDRESS = re.compile(rb'(?<="__id__": )\d+|(?<=")\d+(?=\.np[yz]")')
"""In memory, by which skops tells objects apart: what a seed gives must not depend on it."""


class Sample(msgspec.Struct, kw_only=True):
    """One fitted model with what goes with it."""

    name: str
    format: str
    model: bytes
    predictions: list[float]
    """Of its first rows, in what is explained by default."""
    needs_background: bool = False
    tables: list[Table] = []
    """Rows that it takes, in every format."""


class Samples(msgspec.Struct, kw_only=True):
    """All models, and the rows that most of them take."""

    models: list[Sample]
    rows: list[list[float]]

    @property
    def npy(self) -> bytes:
        return npy(numpy.array(self.rows))

    @property
    def files(self) -> list[bytes]:
        """A model and a table of it, one after the other."""
        return [file for sample in self.models for file in (sample.model, sample.tables[0].raw)]

    @property
    def document(self) -> dict[str, Any]:
        return {"columns": list(FEATURES), "data": self.rows}


def samples(seed: int) -> Samples:
    """Takes a few seconds."""
    chance = numpy.random.default_rng(seed)
    x = chance.normal(size=(TRAINING, len(FEATURES)))
    y = x[:, 0] * x[:, 1] + numpy.sin(2 * x[:, 2]) + x[:, 3] / 5
    frame = _frame(chance, x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numeric, textual = [*_boosters(x, y), *_estimators(x, y)], _of_text(frame, y)
    by_place = {name: x[:ROWS, place].tolist() for place, name in enumerate(FEATURES)}
    _give(numeric, tables(by_place, by_place=True))
    _give(textual, tables(_columns(frame), by_place=False))
    return Samples(models=[*numeric, *textual], rows=x[:ROWS].tolist())


def _give(models: list[Sample], found: list[Table]) -> None:
    for sample in models:
        sample.tables = found


def _frame(chance: numpy.random.Generator, x: Array) -> Any:
    """Numbers, some missing, and two columns of text."""
    import pandas

    numbers = numpy.where(chance.random(len(x)) < 0.1, numpy.nan, x[:, 0])
    text = {"city": chance.choice(CITIES, len(x)), "size": chance.choice(SIZES, len(x))}
    return pandas.DataFrame({"a": numbers, "b": x[:, 1], **text})


def _columns(frame: Any) -> Columns:
    """Of its first rows, with None for what is missing."""
    rows = frame[:ROWS].astype(object)
    return {name: rows[name].where(rows[name].notna(), None).tolist() for name in frame}


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
    for drawn in ("model_guid", "train_finish_time"):  # or each run would have a file of its own
        model.get_metadata()[drawn] = "0"
    with tempfile.TemporaryDirectory() as directory:
        written = {}
        for kind in ("cbm", "json"):
            model.save_model(f"{directory}/model", format=kind)
            written[kind] = Path(directory, "model").read_bytes()
    return [
        _sample("catboost", "binary", written["cbm"], model, x),
        _sample("catboost json", "json", written["json"], model, x),
    ]


def _skops(model: Any) -> bytes:
    """As skops writes it, but with numbers for addresses."""
    import skops.io

    numbers: dict[bytes, bytes] = {}
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive, zipfile.ZipFile(into, "w") as written:
        schema = _ADDRESS.sub(
            lambda found: numbers.setdefault(found[0], b"%d" % (len(numbers) + 1)), archive.read("schema.json")
        )
        for name in archive.namelist():
            stem, dot, kind = name.encode().partition(b".")
            content = schema if name == "schema.json" else archive.read(name)
            written.writestr(zipfile.ZipInfo((numbers.get(stem, stem) + dot + kind).decode()), content)
    return into.getvalue()


def _estimators(x: Array, y: Array) -> list[Sample]:
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
        sample = _sample(name, "skops", _skops(model), None if name == "forest" else model, x)
        sample.needs_background = name in ("linear", "pipeline")
        found.append(sample)
    return found


def _of_text(frame: Any, y: Array) -> list[Sample]:
    """Models that are given words: pipelines that encode them, boosters that know their categories."""
    found = []
    for name, model in _pipelines().items():
        raw = _skops(model.fit(frame, y))
        found.append(_sample(name, "skops", raw, model, frame))
        found[-1].needs_background = name == "words"
    categories = frame.astype({"city": "category", "size": "category"})
    for name, (kind, model, written) in _categorical().items():
        model.fit(categories, y)
        found.append(_sample(name, kind, written(model), model, categories))
    return found


def _pipelines() -> dict[str, Any]:
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

    numbers = (SimpleImputer(), ["a", "b"])
    hot = (OneHotEncoder(handle_unknown="ignore"), ["city"])
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    mixed = make_column_transformer(hot, (ordinal, ["size"]), numbers)
    words = make_column_transformer((CountVectorizer(), "city"), hot, numbers)
    weights = make_column_transformer((TfidfVectorizer(ngram_range=(1, 2)), "city"), numbers)
    target = make_column_transformer((TargetEncoder(random_state=0), ["city", "size"]), numbers)
    return {
        "encoded": make_pipeline(mixed, RandomForestRegressor(3, max_depth=3, random_state=0)),
        "words": make_pipeline(words, Ridge()),
        "weighted words": make_pipeline(weights, RandomForestRegressor(3, max_depth=3, random_state=0)),
        "targets": make_pipeline(target, RandomForestRegressor(3, max_depth=3, random_state=0)),
    }


def _categorical() -> dict[str, tuple[str, Any, Callable[[Any], bytes]]]:
    """Format, estimator, and what writes it."""
    import lightgbm
    import xgboost
    from sklearn.ensemble import HistGradientBoostingRegressor

    small: dict[str, Any] = {"max_depth": 3, "n_estimators": 3, "n_jobs": 1}
    boosted = xgboost.XGBRegressor(**small, enable_categorical=True, tree_method="hist", max_cat_to_onehot=1)
    light = lightgbm.LGBMRegressor(**small, verbose=-1, min_child_samples=2, min_data_per_group=2)
    histogram = HistGradientBoostingRegressor(max_iter=3, random_state=0, categorical_features="from_dtype")
    return {
        "xgboost text": ("json", boosted, lambda model: bytes(model.get_booster().save_raw("json"))),
        "xgboost text ubjson": ("ubjson", boosted, lambda model: bytes(model.get_booster().save_raw("ubj"))),
        "lightgbm text": ("lightgbm", light, lambda model: str(model.booster_.model_to_string()).encode()),
        "histogram text": ("skops", histogram, _skops),
    }


def _sample(name: str, kind: str, raw: bytes, model: Any, x: Any) -> Sample:
    predictions = [] if model is None else [float(value) for value in model.predict(x[:ROWS])]
    return Sample(name=name, format=kind, model=raw, predictions=predictions)
