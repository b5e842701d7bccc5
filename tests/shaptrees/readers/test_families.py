"""Every family of models: the arrays predict as the model does, and the values are shap's where shap is right."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from shaptrees import engine
from shaptrees.arrays import Floats, Trees
from shaptrees.errors import UnreadableModel, UnsupportedModel
from shaptrees.readers import lightgbm as lightgbm_reader
from shaptrees.readers import sklearn as sklearn_reader
from shaptrees.readers import xgboost as xgboost_reader

ensemble = pytest.importorskip("sklearn.ensemble")
tree = pytest.importorskip("sklearn.tree")
xgboost = pytest.importorskip("xgboost")
lightgbm = pytest.importorskip("lightgbm")

ROWS, FEATURES = 300, 6
RANDOM = np.random.default_rng(0)
FULL = RANDOM.normal(size=(ROWS, FEATURES))
GAPS = np.where(RANDOM.random(FULL.shape) < 0.1, np.nan, FULL)
CODES = RANDOM.integers(0, 12, ROWS).astype(float)
COUNTED = np.column_stack([GAPS[:, :2], CODES, GAPS[:, 3:]])
ODD = np.column_stack([GAPS[:, :2], np.where(CODES == 3, np.nan, CODES * 2.5 - 5), GAPS[:, 3:]])
ROUNDED = np.asarray(np.round(GAPS), dtype=np.float64)
TARGET = FULL[:, 0] + FULL[:, 1] * FULL[:, 2] + FULL[:, 3] ** 2 + 3 * (CODES % 3 == 0)
CLASSES = np.digitize(TARGET, [0.5, 2])
KINDS = ["q", "q", "c", "q", "q", "q"]


def strange(x: Floats) -> Floats:
    """The rows with categories that no training row had."""
    x = x.copy()
    x[::7, 2], x[1::7, 2], x[2::7, 2] = -3, 77, 1e12
    return x


def boosted(objective: str, y: Floats, x: Floats = GAPS, **options: Any) -> Any:
    return xgboost.train({"objective": objective, "max_depth": 5, "nthread": 1, **options}, matrix(x, y), 12)


def matrix(x: Floats, y: Floats | None = None) -> Any:
    return xgboost.DMatrix(x, y, feature_types=KINDS if x is COUNTED else None, enable_categorical=x is COUNTED)


def light(x: Floats, y: Floats, categories: list[int] | None = None, **options: Any) -> Any:
    options = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, **options}
    return lightgbm.train(options, lightgbm.Dataset(x, y, categorical_feature=categories or []), 15)


def sklearn_cases() -> Iterator[tuple[str, Any, Floats, str, bool]]:
    """Name, unfitted model, rows, the method that gives its raw output, and whether shap explains it right."""
    yes = CLASSES > 0
    for name, model, x, y, output, known in (
        ("tree", tree.DecisionTreeRegressor(), FULL, TARGET, "predict", True),
        ("tree, classes", tree.DecisionTreeClassifier(max_depth=4), FULL, CLASSES, "predict_proba", True),
        ("extra tree", tree.ExtraTreeRegressor(), FULL, TARGET, "predict", True),
        ("forest", ensemble.RandomForestRegressor(8), FULL, TARGET, "predict", True),
        ("forest, two classes", ensemble.RandomForestClassifier(8), FULL, yes, "predict_proba", True),
        ("forest, three classes", ensemble.RandomForestClassifier(8), FULL, CLASSES, "predict_proba", True),
        ("forest, gaps", ensemble.RandomForestRegressor(8), GAPS, TARGET, "predict", False),
        ("forest, two targets", ensemble.RandomForestRegressor(8), FULL, FULL[:, :2] + 1, "predict", True),
        ("extra trees", ensemble.ExtraTreesRegressor(8), FULL, TARGET, "predict", True),
        ("boosting", ensemble.GradientBoostingRegressor(), FULL, TARGET, "predict", True),
        ("boosting, zero", ensemble.GradientBoostingRegressor(init="zero"), FULL, TARGET, "predict", False),
        ("boosting, two classes", ensemble.GradientBoostingClassifier(), FULL, yes, "decision_function", True),
        (
            "boosting, three",
            ensemble.GradientBoostingClassifier(n_estimators=9),
            FULL,
            CLASSES,
            "decision_function",
            False,
        ),
        ("histogram", ensemble.HistGradientBoostingRegressor(max_iter=20), GAPS, TARGET, "predict", True),
        (
            "histogram, three",
            ensemble.HistGradientBoostingClassifier(max_iter=9),
            GAPS,
            CLASSES,
            "decision_function",
            True,
        ),
        (
            "histogram, categories",
            ensemble.HistGradientBoostingRegressor(max_iter=20, categorical_features=[2]),
            ODD,
            TARGET,
            "predict",
            False,
        ),
        (
            "histogram, all missing",
            ensemble.HistGradientBoostingRegressor(max_iter=5),
            GAPS * np.inf,
            TARGET,
            "predict",
            False,
        ),
    ):
        if name == "histogram, all missing":
            x = np.where(np.isnan(GAPS), np.nan, 1.0)  # noqa: PLW2901 - splits between missing and all others
        yield name, model.fit(x, y), x, output, known


def booster_cases() -> Iterator[tuple[str, Any, Floats, bool, float]]:
    """Name, booster, rows, whether shap explains it right, and how exactly the model itself predicts."""
    single, double = 1e-5, 1e-12
    yes = (CLASSES > 0) * 1.0
    yield "XGBoost", boosted("reg:squarederror", TARGET), GAPS, True, single
    yield "XGBoost, two classes", boosted("binary:logistic", yes), GAPS, True, single
    yield "XGBoost, three classes", boosted("multi:softprob", CLASSES, num_class=3), GAPS, True, single
    yield "XGBoost, counts", boosted("count:poisson", np.abs(TARGET)), GAPS, True, single
    yield "XGBoost, dart", boosted("reg:squarederror", TARGET, booster="dart", rate_drop=0.3), GAPS, False, single
    yield "XGBoost, pruned", boosted("reg:squarederror", TARGET, gamma=5), GAPS, True, single
    yield (
        "XGBoost, categories",
        boosted("reg:squarederror", TARGET, COUNTED, max_cat_to_onehot=4),
        COUNTED,
        False,
        single,
    )
    yield "XGBoost, forest", boosted("reg:squarederror", TARGET, num_parallel_tree=3), GAPS, False, single
    yield "LightGBM", light(GAPS, TARGET), GAPS, True, double
    yield "LightGBM, three classes", light(GAPS, CLASSES, objective="multiclass", num_class=3), GAPS, False, double
    yield "LightGBM, no gaps in training", light(FULL, TARGET), GAPS, False, double
    yield (
        "LightGBM, zero as missing",
        light(ROUNDED, TARGET, zero_as_missing=True),
        np.round(GAPS),
        False,
        double,
    )
    yield "LightGBM, missing ignored", light(ROUNDED, TARGET, use_missing=False), ROUNDED, False, double
    yield "LightGBM, categories", light(COUNTED, TARGET, [2], min_data_per_group=1), strange(COUNTED), False, double
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}
    yield "LightGBM, forest", light(FULL, TARGET, None, **forest), FULL, False, double
    yield "LightGBM, one leaf", light(FULL, TARGET, None, min_data_in_leaf=200), FULL, False, double


def compare(trees: Trees, x: Floats, raw: Floats, exact: float, model: Any | None) -> None:
    raw = np.reshape(raw, (len(x), -1))
    assert np.abs(trees.predict(x) - raw).max() <= exact * np.abs(raw).max()
    own = trees.predict(x)
    for level in engine.available():
        phi = engine.shap_values(trees, x, level=level)
        total = phi.reshape(len(x), FEATURES, -1).sum(axis=1) + trees.expected_value
        assert np.abs(total - own).max() <= 1e-9 * np.abs(own).max()
    if model is not None:
        compare_with_shap(trees, x, model)


def compare_with_shap(trees: Trees, x: Floats, model: Any) -> None:
    shap = pytest.importorskip("shap")
    explainer = shap.TreeExplainer(model)
    explainer.model.model_type = "internal"  # its own kernel, not the booster's
    whole = all(cover == int(cover) for cover in trees.cover)
    # XGBoost's sums of hessians are float32 and do not add up; shap's values then miss the prediction by as much.
    tolerance = 1e-9 if whole else 1e-6
    for values, expected in (
        (engine.shap_values(trees, x), explainer.shap_values(x, check_additivity=False)),
        (engine.interaction_values(trees, x[:20]), explainer.shap_interaction_values(x[:20])),
    ):
        assert np.abs(values - np.asarray(expected)).max() <= tolerance * np.abs(expected).max()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("case", list(sklearn_cases()), ids=lambda case: case[0])
def test_scikit_learn(case: tuple[str, Any, Floats, str, bool]) -> None:
    _, model, x, output, known = case
    compare(sklearn_reader.convert(model).trees, x, getattr(model, output)(x), 1e-12, model if known else None)


def test_categories_that_are_not_known_go_where_missing_values_go() -> None:
    model = ensemble.HistGradientBoostingRegressor(max_iter=20, categorical_features=[2]).fit(ODD, TARGET)
    compare(sklearn_reader.convert(model).trees, strange(ODD), model.predict(strange(ODD)), 1e-12, None)


def test_isolation_forest_gives_the_path_lengths_of_its_score() -> None:
    model = ensemble.IsolationForest(n_estimators=20, max_features=3, random_state=0).fit(FULL)
    trees = sklearn_reader.convert(model).trees
    unit = from_length(model._max_samples)
    compare(trees, FULL, -np.log2(-model.score_samples(FULL)) * unit, 1e-12, model)


def from_length(rows: int) -> float:
    return float(2 * (np.log(rows - 1) + np.euler_gamma) - 2 * (rows - 1) / rows)


@pytest.mark.parametrize("case", list(booster_cases()), ids=lambda case: case[0])
def test_boosters(case: tuple[str, Any, Floats, bool, float]) -> None:
    _, model, x, known, exact = case
    if isinstance(model, lightgbm.Booster):
        mean = "average_output" in model.model_to_string()  # which raw scores of LightGBM are not
        raw, trees = model.predict(x, raw_score=not mean), lightgbm_reader.read(model.model_to_string().encode()).trees
        compare(trees, x, raw, exact, model if known else None)
        return
    raw = model.predict(matrix(x), output_margin=True)
    for form in ("json", "ubj"):
        compare(
            xgboost_reader.read(bytes(model.save_raw(form))).trees,
            x,
            raw,
            exact,
            model if known and form == "json" else None,
        )


def change(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new, 1)


XGB = bytes(boosted("reg:squarederror", TARGET).save_raw("json"))
UBJ = bytes(boosted("reg:squarederror", TARGET).save_raw("ubj"))
LGB = light(FULL, TARGET).model_to_string().encode()


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (xgboost_reader.read, b"{}"),
        (xgboost_reader.read, XGB[:2000]),
        (xgboost_reader.read, UBJ[:2000]),
        (xgboost_reader.read, b"{L" + b"\xff" * 40),
        (xgboost_reader.read, b"[" * 10_000),
        (xgboost_reader.read, b"{i\x01a" + b"[" * 10_000),
        (xgboost_reader.read, change(XGB, b'"left_children":[1', b'"left_children":[999999')),
        (xgboost_reader.read, change(XGB, b'"left_children":[1', b'"left_children":[0')),
        (xgboost_reader.read, change(XGB, b'"split_indices":[', b'"split_indices":[7,')),
        (xgboost_reader.read, change(XGB, b'"num_class":"0","num_feature":"6"', b'"num_class":"0","num_feature":"1"')),
        (xgboost_reader.read, change(XGB, b'"sum_hessian":[', b'"sum_hessian":[-1,')),
        (lightgbm_reader.read, b"tree\n"),
        (lightgbm_reader.read, LGB[:1500]),
        (lightgbm_reader.read, change(LGB, b"left_child=", b"left_child=99999999999 ")),
        (lightgbm_reader.read, change(LGB, b"right_child=", b"left_child=")),
        (lightgbm_reader.read, change(LGB, b"split_feature=", b"split_feature=1 ")),
        (lightgbm_reader.read, change(LGB, b"max_feature_idx=5", b"max_feature_idx=0")),
        (lightgbm_reader.read, change(LGB, b"leaf_value=", b"leaf_value=nan ")),
    ],
)
def test_broken_files_are_refused(read: Callable[[bytes], Trees], content: bytes) -> None:
    with pytest.raises(UnreadableModel):
        read(content)


def test_other_models_are_refused() -> None:
    with pytest.raises(UnsupportedModel):
        sklearn_reader.convert(ensemble.AdaBoostRegressor())
    boost = ensemble.GradientBoostingRegressor(init=tree.DecisionTreeRegressor(), n_estimators=2).fit(FULL, TARGET)
    with pytest.raises(UnsupportedModel, match="another model"):
        sklearn_reader.convert(boost)
    linear = light(FULL, TARGET, None, linear_tree=True)
    with pytest.raises(UnsupportedModel, match="linear models"):
        lightgbm_reader.read(linear.model_to_string().encode())
    with pytest.raises(UnsupportedModel, match="gblinear"):
        xgboost_reader.read(bytes(boosted("reg:squarederror", TARGET, booster="gblinear").save_raw("json")))


def test_dropout_reads_alike_from_json_and_ubjson() -> None:
    x = np.random.default_rng(0).normal(size=(200, 4))
    parameters = {"booster": "dart", "rate_drop": 0.5, "one_drop": 1, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(x, x[:, 0]), 5)
    from_json, from_ubj = (xgboost_reader.read(bytes(booster.save_raw(kind))).trees for kind in ("json", "ubj"))
    np.testing.assert_allclose(from_ubj.values, from_json.values, rtol=1e-6)
    np.testing.assert_allclose(from_ubj.predict(x)[:, 0], booster.predict(xgboost.DMatrix(x)), atol=1e-5)
