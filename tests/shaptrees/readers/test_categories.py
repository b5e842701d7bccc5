"""Categories that a model lists: rows hold them, trees their places in the lists, as their libraries have it."""

import json

import numpy as np
import pandas as pd
import pytest

from shaptrees import engine
from shaptrees.errors import UnreadableModel, UnsupportedModel
from shaptrees.readers import categories, lightgbm, xgboost

lgb = pytest.importorskip("lightgbm")
xgb = pytest.importorskip("xgboost")

RANDOM = np.random.default_rng(3)
N = 400
MONTHS, SHUFFLED = list(range(1, 13)), [30, -7, 10, 20, 0]
FRAME = pd.DataFrame(
    {
        "month": pd.Categorical(RANDOM.choice(MONTHS, N), categories=MONTHS),
        "x": RANDOM.random(N),
        "shop": pd.Categorical(RANDOM.choice(SHUFFLED, N), categories=SHUFFLED),
        "yes": pd.Categorical(RANDOM.choice([False, True], N)),
        "grade": pd.Categorical(RANDOM.choice([3, 1, 2], N), categories=[3, 1, 2], ordered=True),
    }
)
Y = 9.0 * FRAME.month.isin([1, 5, 9]) + 4.0 * FRAME.shop.isin([30, 20]) + FRAME.x + 2.0 * (FRAME.grade.cat.codes > 0)
NUMBERS = np.column_stack([FRAME[name].astype(float) for name in FRAME])


def light(frame=FRAME):
    params = {"verbose": -1, "num_threads": 1, "min_data_per_group": 1, "min_data_in_leaf": 5}
    return lgb.train(params, lgb.Dataset(frame, Y), 8)


def with_lists(text, lists):
    return (text[: text.rindex("pandas_categorical:")] + "pandas_categorical:" + json.dumps(lists) + "\n").encode()


def test_lightgbm_on_a_frame_is_explained_as_lightgbm_explains_the_frame():
    booster = light()
    trees = lightgbm.read(booster.model_to_string().encode()).trees
    own = booster.predict(FRAME, pred_contrib=True)
    np.testing.assert_allclose(engine.shap_values(trees, NUMBERS), own[:, :-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(trees.expected_value, own[:1, -1], rtol=0, atol=1e-9)


def test_a_category_that_is_unknown_is_missing_as_lightgbm_has_it():
    booster, odd = light(), NUMBERS[:4].copy()
    odd[0, 0], odd[1, 2], odd[2, 4], odd[3, 0] = 13, 5, 9, np.nan
    missing = FRAME[:4].copy()
    for row, name in enumerate(("month", "shop", "grade", "month")):
        missing.loc[row, name] = np.nan
    trees = lightgbm.read(booster.model_to_string().encode()).trees
    np.testing.assert_allclose(trees.predict(odd)[:, 0], booster.predict(missing), rtol=0, atol=1e-9)


def test_codes_are_taken_where_they_are_said_to_be_ones():
    booster = light()
    codes = FRAME.assign(**{name: FRAME[name].cat.codes for name in FRAME if name != "x"}).to_numpy(float)
    content = booster.model_to_string().encode()
    own = booster.predict(FRAME)
    np.testing.assert_allclose(lightgbm.read(content, codes=True).trees.predict(codes)[:, 0], own, rtol=0, atol=1e-9)


def test_lists_of_columns_that_the_file_leaves_open_are_refused_unless_they_say_nothing():
    text = light().model_to_string()
    with pytest.raises(UnsupportedModel, match="does not say of which columns"):
        lightgbm.read(with_lists(text, [MONTHS]))
    with pytest.raises(UnsupportedModel, match="does not say of which columns"):
        lightgbm.read(with_lists(text, [MONTHS[:3], SHUFFLED, [0, 1], [3, 1, 2]]))
    plain = lgb.train({"verbose": -1, "num_threads": 1}, lgb.Dataset(NUMBERS, Y), 2).model_to_string()
    for nothing in (None, [], [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] * 2):
        assert lightgbm.read(with_lists(plain, nothing)).trees.categories == {}


def test_broken_lists_are_refused():
    text = light().model_to_string()
    good = [MONTHS, SHUFFLED, [False, True], [3, 1, 2]]
    assert list(lightgbm.read(with_lists(text, good)).trees.categories) == [0, 2, 3, 4]
    for bad in ([[1] * 12, *good[1:]], [[[1]] * 12, *good[1:]], {"a": 1}, 7, [7, *good[1:]]):
        with pytest.raises(UnreadableModel):
            lightgbm.read(with_lists(text, bad))


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_xgboosts_own_categories_are_explained_as_xgboost_explains_the_frame(form):
    frame = FRAME.drop(columns="yes")
    data = xgb.DMatrix(frame, Y, enable_categorical=True, nthread=1)
    booster = xgb.train({"nthread": 1, "max_depth": 4, "max_cat_to_onehot": 2}, data, 8)
    trees = xgboost.read(bytes(booster.save_raw(form))).trees
    own = booster.predict(data, pred_contribs=True)
    rows = np.delete(NUMBERS, 3, axis=1)
    np.testing.assert_allclose(engine.shap_values(trees, rows), own[:, :-1], rtol=0, atol=2e-5)
    np.testing.assert_allclose(trees.expected_value, own[:1, -1], rtol=0, atol=2e-5)


def test_codes_that_are_none_go_where_xgboost_sends_them():
    """From -1 to 0 nothing is a category to it, and everything a zero to LightGBM."""
    codes = NUMBERS[:, [0, 4]]
    data = xgb.DMatrix(codes, Y, feature_types=["c", "c"], enable_categorical=True, nthread=1)
    booster = xgb.train({"nthread": 1, "max_depth": 4, "max_cat_to_onehot": 9}, data, 5)
    odd = np.array([[-0.5, -0.25], [-1, 99], [np.nan, 2**24], [1.75, 1e9], [0.0, -0.0]])
    own = booster.predict(xgb.DMatrix(odd, feature_types=["c", "c"], enable_categorical=True, nthread=1))
    found = xgboost.read(bytes(booster.save_raw("json"))).trees.predict(odd)[:, 0]
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-5)


def test_xgboosts_lists_that_do_not_match_are_refused():
    data = xgb.DMatrix(FRAME[["month", "x"]], Y, enable_categorical=True, nthread=1)
    document = json.loads(bytes(xgb.train({"nthread": 1}, data, 2).save_raw("json")))

    def edited(edit):
        changed = json.loads(json.dumps(document))
        edit(changed["learner"]["gradient_booster"]["model"]["cats"])
        return json.dumps(changed).encode()

    assert list(xgboost.read(edited(lambda cats: None)).trees.categories) == [0]
    for edit in (
        lambda cats: cats["enc"].pop(),
        lambda cats: cats["enc"][0]["values"].pop(),
        lambda cats: cats["feature_segments"].__setitem__(1, 10**9),
        lambda cats: cats["sorted_idx"].__setitem__(0, 10**9),
        lambda cats: cats["sorted_idx"].pop(),
    ):
        with pytest.raises(UnreadableModel):
            xgboost.read(edited(edit))
        with pytest.raises(UnreadableModel):
            xgboost.check(edited(edit))
    with pytest.raises(UnreadableModel, match="all different"):
        xgboost.read(edited(lambda cats: cats["enc"][0]["values"].__setitem__(0, 2)))


def test_categories_that_are_text_are_refused_with_what_helps():
    frame = FRAME[["x"]].assign(colour=pd.Categorical(RANDOM.choice(["red", "green", "blue", "grün"], N)))
    texts = [
        (lightgbm, light(frame).model_to_string().encode()),
        (xgboost, bytes(xgb.train({"nthread": 1}, xgb.DMatrix(frame, Y, enable_categorical=True), 2).save_raw("ubj"))),
    ]
    for reader, content in texts:
        with pytest.raises(UnsupportedModel, match=r"colour has categories that are text \('blue', .*cat\.codes"):
            reader.read(content)
        assert reader.read(content, codes=True).trees.features == 2


def test_lists_go_to_columns_where_that_leaves_no_choice():
    yes, no = True, False
    assert categories.places([[yes, yes, yes]], [no, yes, no]) == [1]
    assert categories.places([[yes, yes], [yes, yes]], [no, no]) == [0, 1]
    assert categories.places([[yes, yes, yes], [yes, yes, yes]], [yes, no, no]) is None
    assert categories.places([[yes, no, yes], [no, yes, yes]], [no, no, no]) is None
    assert categories.places([[yes, no, no], [no, no, yes]], [no, no, no]) == [0, 2]
    assert categories.places([[no, no]], [no, no]) is None
    assert categories.places([[yes, yes]], [yes, yes]) is None
