"""CatBoost's categories: values are its own, however a table spells them. Skipped where the extra is missing."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from child.models.catboost_words import Categories
from tests.child.support import explained, refusal, skops_bytes

catboost = pytest.importorskip("catboost", reason="the extra catboost is not installed")

CLOSE = {"rtol": 0, "atol": 1e-9}
RANDOM = np.random.default_rng(5)
FRAME = pd.DataFrame(
    {
        "city": RANDOM.choice(["Bern", "Oslo", "nan"], 120),
        "x": RANDOM.normal(size=120),
        "flag": RANDOM.random(120) < 0.5,
        "month": RANDOM.integers(1, 4, 120),
        "zip": RANDOM.choice(["01", "1", "001"], 120),
    }
)
CATEGORIES = ["city", "flag", "month", "zip"]
TARGET = (FRAME["city"] == "Oslo") * 3.0 + FRAME["x"] + FRAME["flag"] * 2 + FRAME["month"]
TARGET += FRAME["zip"].map({"01": 3, "1": 0, "001": -4})
SMALL = {"iterations": 60, "depth": 3, "thread_count": 1, "verbose": False, "allow_writing_files": False}


def _knows(*known):
    return Categories("city", lambda text: text in known)


@pytest.mark.parametrize(
    ("known", "cell", "given"),
    [
        (("1",), "True", "1"),
        (("0",), "True", "1"),
        (("0",), True, "1"),
        (("1", "False"), "True", "True"),
        (("true",), "true", "true"),
        ((), "false", "0"),
        (("1",), "1.0", "1"),
        (("1.0",), 1.0, "1.0"),
        ((), 1.0, "1"),
        ((), 1, "1"),
        ((), "01", "01"),
        ((), 0.5, "0.5"),
        ((" a",), " a", " a"),
        (("a",), " a", "a"),
        (("None", "x"), None, "None"),
        (("nan",), "", "nan"),
        (("NA",), "NA", "NA"),
        ((), np.int64(3), "3"),
    ],
)
def test_a_cell_is_spelled_as_the_model_knows_it(known, cell, given):
    words = _knows(*known)
    assert words.cells(np.array([words.code(cell)])) == [given]


def test_nothing_is_said_where_most_seems_unknown():
    words = _knows("a", "c")
    for cell in ("a", "b", "c"):
        words.code(cell)
    assert [said.code for said in words.unknown.warnings("city")] == ["unknown_category"]
    words.code("d")
    assert words.unknown.warnings("city") == []


def test_a_missing_cell_stays_missing_where_nothing_is_known_of_it():
    assert np.isnan(_knows("x").code(np.nan))


@pytest.fixture(scope="module")
def model():
    return catboost.CatBoostRegressor(**SMALL, cat_features=CATEGORIES).fit(FRAME, TARGET)


@pytest.fixture(scope="module")
def cbm(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("catboost") / "model.cbm"
    model.save_model(str(path))
    return path.read_bytes()


def own(model, frame, kind="ShapValues"):
    return model.get_feature_importance(catboost.Pool(frame, cat_features=CATEGORIES), type=kind)


def said(heard):
    return [warning.message for warning in heard.messages[-1].partial.warnings]


def test_values_are_catboosts_in_every_format(model, cbm):
    """Text, booleans, whole numbers, and text that looks like numbers."""
    rows = FRAME[:30]
    split = {"columns": list(rows), "data": rows.to_numpy().tolist()}
    for sent in (
        rows.to_csv(index=False).encode(),
        json.dumps(split).encode(),
        rows.to_json(orient="records").encode(),
        rows.astype({"month": float}).to_csv(index=False).encode(),
    ):
        values, heard, info = explained(cbm, sent)
        np.testing.assert_allclose(values[..., 0], own(model, rows)[:, :-1], **CLOSE)
        assert (info.explainer, info.engine) == ("tree", "CatBoost (native)")
        assert not [text for text in said(heard) if text.startswith(("city", "flag"))]


def test_values_are_catboosts_from_arrow(model, cbm):
    arrow = pytest.importorskip("pyarrow", reason="the extra tables is not installed")
    sink = arrow.BufferOutputStream()
    table = arrow.Table.from_pydict({name: column.tolist() for name, column in FRAME[:30].items()})
    with arrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    values, *_ = explained(cbm, sink.getvalue().to_pybytes())
    np.testing.assert_allclose(values[..., 0], own(model, FRAME[:30])[:, :-1], **CLOSE)


def test_interactions(model, cbm):
    matrices, *_ = explained(cbm, FRAME[:5].to_csv(index=False).encode(), interactions=True)
    np.testing.assert_allclose(matrices[..., 0], own(model, FRAME[:5], "ShapInteractionValues")[:, :-1, :-1], **CLOSE)


def test_unknown_and_missing_categories_are_named(model, cbm):
    """A missing cell is what missing cells were in training, if the model knows it."""
    rows = FRAME[:30].copy()
    rows.loc[1, "city"], rows.loc[2, "city"] = "Paris", None
    values, heard, _ = explained(cbm, rows.to_csv(index=False).encode())
    np.testing.assert_allclose(values[..., 0], own(model, rows.fillna({"city": "nan"}))[:, :-1], **CLOSE)
    unknown, missing = (text for text in said(heard) if text.startswith("city"))
    assert unknown.startswith("city: 'Paris' is to the model what a category is that it has not seen")
    assert missing.startswith("city: missing cells were taken for 'nan'")


def test_a_missing_category_that_was_never_in_training_is_refused(cbm):
    rows = FRAME[:9].astype(object)
    rows.loc[4, "zip"] = None
    failed = refusal(cbm, rows.to_csv(index=False).encode())
    assert (failed.code, failed.detail["row"]) == ("row_refused", 4)
    assert "a category of zip is missing" in failed.message


def test_they_go_through_permutation(model, cbm):
    rows = FRAME[:4]
    background = FRAME[50:58].to_csv(index=False).encode()
    values, _, info = explained(cbm, rows.to_csv(index=False).encode(), background, explainer="permutation")
    assert info.explainer == "permutation"
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], model.predict(rows), **CLOSE)


@pytest.mark.parametrize("in_skops", ["alone", "last"])
def test_an_estimator_in_skops(in_skops):
    last = catboost.CatBoostRegressor(**SMALL, cat_features=CATEGORIES if in_skops == "alone" else [1, 2, 3, 4])
    whole = last
    if in_skops == "last":
        whole = make_pipeline(make_column_transformer((StandardScaler(), ["x"]), remainder="passthrough"), last)
    whole.fit(FRAME, TARGET)
    rows = FRAME[:20].copy()
    rows.loc[3, "city"] = "Paris"
    values, heard, info = explained(skops_bytes(whole), rows.to_csv(index=False).encode())
    assert info.explainer == "tree"
    np.testing.assert_allclose(values[..., 0].sum(axis=1) + info.base_values[0], whole.predict(rows), **CLOSE)
    assert heard.messages[-1].summary["features"] == list(FRAME)
    assert any("'Paris'" in text for text in said(heard))
