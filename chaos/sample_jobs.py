"""The jobs of a campaign: models, rows, and the values computed aside, before anything is broken. Seeded.

Trees' values are shap's; linear ones and sampled ones of a linear model follow from the formula
coefficient x (row - mean of the background), which holds however coalitions are drawn. Runs in the campaign, the only
place here that imports the scientific stack.
"""

import io
import json
import warnings
from typing import Any

import msgspec
import numpy
from numpy.typing import NDArray

TOLERANCE = 1e-6
FEATURES = 8
WEIGHTS = {
    "xgboost": 2.0,
    "lightgbm": 2.0,
    "forest": 2.0,
    "boosting": 2.0,
    "interactions": 1.5,
    "linear": 2.0,
    "sampled": 1.5,
    "greedy": 1.0,
}
"""How often each kind is drawn."""
Array = NDArray[numpy.float64]


class SampleJob(msgspec.Struct, kw_only=True):
    """One kind of job, and how it must end: with `expected` values, or failed by one of `codes`."""

    name: str
    weight: float
    files: dict[str, bytes]
    options: dict[str, Any]
    rows: int
    expected: Any = None
    codes: frozenset[str] = frozenset()

    @property
    def options_json(self) -> str:
        return json.dumps(self.options)


def sample_jobs(seed: int) -> list[SampleJob]:
    """All kinds; takes a few seconds."""
    random = numpy.random.default_rng(seed)
    x = random.normal(size=(400, FEATURES))
    y = x[:, 0] * x[:, 1] + numpy.sin(2 * x[:, 2]) + x[:, 3:].sum(axis=1) / 5
    rows = random.normal(size=(60, FEATURES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*_trees(x, y, rows), *_linear(x, y, rows), _greedy(random)]


def _trees(x: Array, y: Array, rows: Array) -> list[SampleJob]:
    import lightgbm
    import shap
    import skops.io
    import xgboost
    from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier

    boosted = xgboost.XGBRegressor(n_estimators=20, max_depth=4, n_jobs=1).fit(x, y)
    light = lightgbm.LGBMRegressor(n_estimators=20, n_jobs=1, verbose=-1).fit(x, y)
    classes = numpy.digitize(y, [-0.5, 0.5])
    forest = RandomForestClassifier(15, max_depth=6, random_state=0).fit(x, classes)
    boosting = GradientBoostingRegressor(n_estimators=25, max_depth=3, random_state=0).fit(x, y)
    saved = {
        "xgboost": bytes(boosted.get_booster().save_raw("json")),
        "lightgbm": light.booster_.model_to_string().encode(),
        "forest": skops.io.dumps(forest),
        "boosting": skops.io.dumps(boosting),
    }
    models = {"xgboost": boosted, "lightgbm": light, "forest": forest, "boosting": boosting}
    parts = {"xgboost": (60, 20), "lightgbm": (40, 40), "forest": (60, 15), "boosting": (50, 25)}
    found = []
    for name, (count, batch_size) in parts.items():
        expected = numpy.asarray(shap.TreeExplainer(models[name]).shap_values(rows[:count]))
        found.append(_sample(name, saved[name], rows[:count], expected, batch_size=batch_size))
    pairs = numpy.asarray(shap.TreeExplainer(boosting).shap_interaction_values(rows[:24]))
    found.append(_sample("interactions", saved["boosting"], rows[:24], pairs, interactions=True, batch_size=8))
    return found


def _linear(x: Array, y: Array, rows: Array) -> list[SampleJob]:
    import skops.io
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(x, y)
    saved, background = skops.io.dumps(model), x[:20]
    expected = model.coef_ * (rows - background.mean(axis=0))
    linear = _sample("linear", saved, rows, expected, batch_size=30)
    evaluations = {"explainer": "permutation", "max_evals": 20 * (2 * FEATURES + 1)}
    sampled = _sample("sampled", saved, rows[:24], expected[:24], batch_size=6, **evaluations)
    for sample in (linear, sampled):
        sample.files["background"] = _npy(background)
    return [linear, sampled]


def _greedy(random: numpy.random.Generator) -> SampleJob:
    """One row's matrices take 1201 x 1201 x 10 x 8 bytes, 115 MB: more than any cap of a campaign."""
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    x = random.normal(size=(60, 1200))
    model = RandomForestClassifier(2, max_depth=3, random_state=0).fit(x, numpy.arange(60) % 10)
    codes = frozenset({"memory_cap", "memory_watch", "no_cap_is_enough"})
    return SampleJob(
        name="greedy",
        weight=WEIGHTS["greedy"],
        files={"model": skops.io.dumps(model), "data": _npy(x[:2])},
        options={"interactions": True},
        rows=2,
        codes=codes,
    )


def _sample(name: str, model: bytes, rows: Array, expected: Array, **options: Any) -> SampleJob:
    files = {"model": model, "data": _npy(rows)}
    return SampleJob(name=name, weight=WEIGHTS[name], files=files, options=options, rows=len(rows), expected=expected)


def _npy(rows: Array) -> bytes:
    buffer = io.BytesIO()
    numpy.save(buffer, rows)
    return buffer.getvalue()


def what_is_wrong(sample: SampleJob, answer: bytes) -> str | None:
    """How a result (NPY) differs from what was computed aside; None when every row is there once, and right."""
    found = numpy.load(io.BytesIO(answer))
    if found.shape != sample.expected.shape:
        return f"shape {found.shape} instead of {sample.expected.shape}"
    difference = float(numpy.abs(found - sample.expected).max())
    return None if difference <= TOLERANCE else f"values differ by {difference:.3g}"
