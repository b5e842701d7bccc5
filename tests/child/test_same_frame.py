"""One frame with categories of text, numbers and booleans, four libraries: unknown and missing ones are each's own.

The same bytes go to each model. What is expected, each library says itself; histogram boosting has no values of its
own, so that is held to their definition.
"""

import itertools
import math

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from sklearn.ensemble import HistGradientBoostingRegressor

from tests.child.support import explained, skops_bytes

RANDOM = np.random.default_rng(3)
ROWS = 200
TEXT, NUMBER, FLAG = ["Bern", "Lyon", "Oslo"], [5, 7, 9], [False, True]
FRAME = pd.DataFrame(
    {
        "city": pd.Categorical(RANDOM.choice(TEXT, ROWS)),
        "x": RANDOM.normal(size=ROWS),
        "month": pd.Categorical(RANDOM.choice(NUMBER, ROWS)),
        "flag": pd.Categorical(RANDOM.choice(FLAG, ROWS)),
    }
)
for name in ("city", "month", "flag"):
    FRAME.loc[RANDOM.random(ROWS) < 0.1, name] = None
TARGET = (
    (FRAME["city"] == "Lyon") * 2.0 + FRAME["x"] + (FRAME["month"] == 7) * 1.5 + (FRAME["flag"] == True) * 3.0  # noqa: E712
).to_numpy()
CATEGORIES = ["city", "month", "flag"]


def sent(*, strange: bool) -> tuple[pd.DataFrame, bytes]:
    """Rows as a library sees them, unknown categories as missing, and as they are sent."""
    seen = FRAME[:25].copy()
    written = seen.astype(dict.fromkeys(CATEGORIES, object))
    if strange:
        for row, column, value in ((1, "city", "bern"), (2, "month", 44)):
            seen.loc[row, column], written.loc[row, column] = None, value
    seen.loc[3, "flag"] = written.loc[3, "flag"] = None
    return seen, written.to_csv(index=False).encode()


def xgboost_values(seen):
    """XGBoost takes no categories that are booleans: these are numbers to it."""

    def matrix(frame, target=None):
        return xgb.DMatrix(frame.assign(flag=frame["flag"].astype(float)), target, enable_categorical=True)

    booster = xgb.train({"max_depth": 3, "nthread": 1}, matrix(FRAME, TARGET), 5)
    own = booster.predict(matrix(seen), pred_contribs=True)
    return bytes(booster.save_raw("json")), own[:, :-1], own[:, -1], 1e-5


def lightgbm_values(seen):
    few = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_per_group": 1, "cat_smooth": 1}
    booster = lgb.train(few, lgb.Dataset(FRAME, TARGET), 5)
    own = booster.predict(seen, pred_contrib=True)
    return booster.model_to_string().encode(), own[:, :-1], own[:, -1], 1e-9


def histogram_values(seen):
    model = HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=5, min_samples_leaf=4)
    model.fit(FRAME, TARGET)
    values, base = by_definition(model, seen)
    return skops_bytes(model), values, base, 1e-9


def catboost_values(seen):
    """CatBoost takes no missing category: the author wrote a word for it, and strings for all."""
    catboost = pytest.importorskip("catboost", reason="the extra catboost is not installed")
    model = catboost.CatBoostRegressor(
        iterations=40, depth=3, thread_count=1, verbose=False, allow_writing_files=False, cat_features=CATEGORIES
    )
    model.fit(strings(FRAME), TARGET)
    own = model.get_feature_importance(catboost.Pool(strings(seen), cat_features=CATEGORIES), type="ShapValues")
    return bytes(model._serialize_model()), own[:, :-1], own[:, -1], 1e-9


def strings(frame):
    return frame.assign(**{name: frame[name].astype(object).map(spelled) for name in CATEGORIES})


def spelled(value):
    return "nan" if pd.isna(value) else str(value)


def by_definition(model, seen):
    """Every coalition of the features; a tree weighs its branches by their rows where it is not told."""
    width = FRAME.shape[1]
    rows = np.asarray(model._preprocess_X(seen, reset=False), dtype=float)
    given = {
        known: sum(expected(model, tree, rows, known) for (tree,) in model._predictors)
        for size in range(width + 1)
        for known in itertools.combinations(range(width), size)
    }
    values = np.zeros((len(rows), width))
    for known, value in given.items():
        for feature in set(range(width)) - set(known):
            weight = math.factorial(len(known)) * math.factorial(width - len(known) - 1) / math.factorial(width)
            values[:, feature] += weight * (given[tuple(sorted((*known, feature)))] - value)
    place = np.argsort(columns(model))
    return values[:, place], given[()] + float(np.ravel(model._baseline_prediction)[0])


def columns(model):
    """The table's columns in the order in which the trees count them: categories first."""
    categorical = np.asarray(model.is_categorical_)
    return np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])


def expected(model, tree, rows, known, node=0):
    at = tree.nodes[node]
    if at["is_leaf"]:
        return np.full(len(rows), at["value"])
    left, right = (expected(model, tree, rows, known, at[side]) for side in ("left", "right"))
    if at["feature_idx"] not in known:
        shares = [tree.nodes[at[side]]["count"] / at["count"] for side in ("left", "right")]
        return shares[0] * left + shares[1] * right
    return np.where(goes_left(at, tree, rows[:, at["feature_idx"]]), left, right)


def goes_left(at, tree, cells):
    if not at["is_categorical"]:
        return np.where(np.isnan(cells), bool(at["missing_go_to_left"]), cells <= at["num_threshold"])
    words = tree.raw_left_cat_bitsets[at["bitset_idx"]]
    codes = np.nan_to_num(cells, nan=0).astype(int)
    member = np.array([bool(words[code // 32] >> (code % 32) & 1) for code in codes])
    return np.where(np.isnan(cells), bool(at["missing_go_to_left"]), member)


LIBRARIES = {
    "XGBoost": xgboost_values,
    "LightGBM": lightgbm_values,
    "histogram boosting": histogram_values,
    "CatBoost": catboost_values,
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_values_are_the_librarys_own(library):
    seen, written = sent(strange=library != "CatBoost")
    model, own, base, close = LIBRARIES[library](seen)
    values, heard, info = explained(model, written)
    np.testing.assert_allclose(values[..., 0], own, rtol=0, atol=close)
    np.testing.assert_allclose(info.base_values[0], base, rtol=0, atol=close)
    warned = " ".join(said.message for said in heard.messages[-1].partial.warnings)
    if library != "CatBoost":
        assert "city: 'bern' is none of the" in warned
        assert "month: 44" in warned
