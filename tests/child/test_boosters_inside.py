"""Boosters of other libraries within skops files: their own files are read and checked as if they came alone."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import shap
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from jobs.protocol import Done
from tests.child.support import explained, refusal, skops_bytes

RANDOM = np.random.default_rng(9)
FRAME = pd.DataFrame({"kind": RANDOM.integers(1, 4, 120), "a": RANDOM.normal(size=120)})
NUMBER = (FRAME["a"] + (FRAME["kind"] == 2)).to_numpy()
LIGHT = {"n_estimators": 4, "verbose": -1, "n_jobs": 1, "min_child_samples": 5}


def sent(frame):
    return frame.to_csv(index=False).encode()


def behind(last, target):
    steps = ColumnTransformer([("hot", OneHotEncoder(), ["kind"])], remainder="passthrough")
    return make_pipeline(steps, last).fit(FRAME, target)


@pytest.mark.parametrize(
    "last",
    [
        XGBRegressor(n_estimators=4, n_jobs=1),
        XGBClassifier(n_estimators=4, n_jobs=1),
        LGBMRegressor(**LIGHT),
        LGBMClassifier(**LIGHT),
    ],
    ids=lambda last: type(last).__name__,
)
def test_a_pipeline_that_ends_with_a_booster(last):
    pipeline = behind(last, NUMBER if "Regressor" in type(last).__name__ else NUMBER > 0)
    values, _, info = explained(skops_bytes(pipeline), sent(FRAME[:20]))
    wanted = shap.TreeExplainer(pipeline[-1]).shap_values(pipeline[:-1].transform(FRAME[:20]))
    wanted = np.stack([wanted[:, :3].sum(axis=1), wanted[:, 3]], axis=1)
    np.testing.assert_allclose(values[..., 0], wanted, atol=1e-6)
    assert (info.name, info.explainer) == ("Pipeline", "tree")


@pytest.mark.parametrize(
    "last",
    [
        XGBRegressor(n_estimators=9, n_jobs=1, enable_categorical=True),
        LGBMRegressor(**LIGHT),
        HistGradientBoostingRegressor(max_iter=9, min_samples_leaf=5, categorical_features="from_dtype"),
    ],
    ids=lambda last: type(last).__name__,
)
def test_categories_that_pass_through_to_it(last):
    """As text, as numbers, missing and unknown ones: what the library itself makes of the frame."""
    cities = np.array(["Bern", "Lyon", "Oslo"])[np.arange(120) % 3]
    frame = pd.DataFrame({"a": FRAME["a"], "city": cities, "kind": FRAME["kind"]})
    typed = frame.astype({"city": "category", "kind": "category"})
    steps = make_column_transformer((StandardScaler(), ["a"]), ("passthrough", ["kind", "city"]))
    pipeline = make_pipeline(steps.set_output(transform="pandas"), last).fit(typed, NUMBER + 2 * (cities == "Oslo"))
    frame.loc[3, ["city", "kind"]], frame.loc[4, ["city", "kind"]] = ["Rome", 9], [None, None]
    typed.loc[[3, 4], ["city", "kind"]] = np.nan
    values, heard, info = explained(skops_bytes(pipeline), sent(frame))
    assert (info.explainer, info.columns) == ("tree", None)
    added = values[..., 0].sum(axis=1) + info.base_values[0]
    np.testing.assert_allclose(added, pipeline.predict(typed), atol=2e-6)
    unknown = " ".join(warning.message for warning in heard.one(Done).partial.warnings)
    assert "'Rome'" in unknown
    assert "9" in unknown


def test_catboost_at_the_end_explains_itself():
    catboost = pytest.importorskip("catboost")
    last = catboost.CatBoostClassifier(iterations=4, verbose=0, thread_count=1, allow_writing_files=False)
    pipeline = behind(last, NUMBER > 0)
    values, _, info = explained(skops_bytes(pipeline), sent(FRAME[:20]))
    margin = pipeline[-1].predict(pipeline[:-1].transform(FRAME[:20]), prediction_type="RawFormulaVal")
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], margin, atol=1e-6)


def test_a_booster_alone_and_a_number_that_marks_missing_cells():
    marked = FRAME.assign(a=np.where(RANDOM.random(120) < 0.3, -1.0, FRAME["a"]))
    steps = ColumnTransformer([("hot", OneHotEncoder(), ["kind"])], remainder="passthrough")
    pipeline = make_pipeline(steps, XGBRegressor(n_estimators=4, n_jobs=1, missing=-1.0)).fit(marked, NUMBER)
    values, _, info = explained(skops_bytes(pipeline), sent(marked[:20]))
    found = values[..., 0].sum(axis=1) + info.base_values[0]
    np.testing.assert_allclose(found, pipeline.predict(marked[:20]), atol=1e-5)
    alone = LGBMRegressor(**LIGHT).fit(FRAME, NUMBER)
    values, _, info = explained(skops_bytes(alone), sent(FRAME[:20]))
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], alone.predict(FRAME[:20]), atol=1e-9)


def changed(raw, change):
    """The same skops file with other content in one of its entries."""
    into = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(into, "w") as other:
        for entry in archive.infolist():
            other.writestr(entry.filename, change(entry.filename, archive.read(entry)))
    return into.getvalue()


def test_a_booster_that_its_library_must_not_follow_is_refused_before_it_is_built():
    raw = skops_bytes(behind(LGBMRegressor(**LIGHT), NUMBER))
    bad = changed(raw, lambda name, content: content.replace(b"split_feature=", b"split_feature=99999 "))
    assert refusal(bad, sent(FRAME[:3])).code == "unreadable_model"
    raw = skops_bytes(behind(XGBRegressor(n_estimators=4, n_jobs=1), NUMBER))
    cut = changed(raw, lambda name, content: content[:-40] if name.endswith(".bin") else content)
    assert refusal(cut, sent(FRAME[:3])).code == "unreadable_model"


def test_a_booster_without_its_model_is_refused():
    def empty(name, content):
        if name != "schema.json":
            return content
        schema = json.loads(content)
        schema["content"]["content"]["steps"]["content"][1]["content"][1]["content"]["content"]["_Booster"][
            "content"
        ] = {}
        return json.dumps(schema).encode()

    raw = skops_bytes(behind(XGBRegressor(n_estimators=4, n_jobs=1), NUMBER))
    failed = refusal(changed(raw, empty), sent(FRAME[:3]))
    assert failed.code == "unreadable_model"
    assert "without its model" in failed.message
