"""What columns are made of: a column of the table is changed, and only what was made of it changes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from child.pipelines.apart import dense, take_apart
from child.pipelines.provenance import NotApart, Walk

RANDOM = np.random.default_rng(3)
FRAME = pd.DataFrame(
    {
        "kind": RANDOM.integers(0, 4, 80).astype(float),
        "far": RANDOM.normal(size=80) + 5,
        "gone": np.where(RANDOM.random(80) < 0.2, np.nan, RANDOM.random(80)),
        "size": RANDOM.random(80) + 1,
    }
)
TARGET = FRAME["far"] + FRAME["kind"] + FRAME["size"] ** 2
FILLED = SimpleImputer()
STEPS = {
    "scaled": make_pipeline(FILLED, StandardScaler(), MinMaxScaler(), PowerTransformer()),
    "indicator": SimpleImputer(add_indicator=True),
    "only indicator": MissingIndicator(),
    "one-hot": ColumnTransformer([("hot", OneHotEncoder(drop="first"), ["kind"]), ("s", FILLED, ["gone", "size"])]),
    "rare": ColumnTransformer([("hot", OneHotEncoder(max_categories=3), ["kind"])], remainder=FILLED),
    "nested": ColumnTransformer(
        [
            ("deep", make_pipeline(FILLED, FeatureUnion([("s", StandardScaler()), ("p", PCA(2))])), [2, 1]),
            ("rest", "passthrough", [0]),
            ("no", "drop", [3]),
        ]
    ),
    "ordinal": ColumnTransformer([("o", OrdinalEncoder(), ["kind"]), ("t", TargetEncoder(), ["kind"])]),
    "binned": make_pipeline(FILLED, KBinsDiscretizer(3, encode="onehot", quantile_method="averaged_inverted_cdf")),
    "quantiles": make_pipeline(FILLED, QuantileTransformer(n_quantiles=10), VarianceThreshold()),
    "polynomial": make_pipeline(FILLED, PolynomialFeatures(2)),
    "functions": make_pipeline(FILLED, FunctionTransformer(np.log1p), FunctionTransformer()),
    "selected": make_pipeline(FILLED, SelectKBest(k=3), SelectFromModel(LinearRegression())),
    "normalized": make_pipeline(FILLED, Normalizer()),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_column_depends_on_its_sources_and_on_nothing_else(name):
    pipeline = make_pipeline(STEPS[name], RandomForestRegressor(2, random_state=0)).fit(FRAME, TARGET)
    apart = take_apart(pipeline, list(FRAME), Walk())
    assert apart
    before = dense(apart.transform(FRAME))
    assert before.shape[1] == len(apart.columns)
    for place, column in enumerate(FRAME):
        changed = dense(apart.transform(FRAME.assign(**{column: FRAME[column].to_numpy()[::-1]})))
        moved = set(np.flatnonzero((changed != before).any(axis=0)))
        made_of_it = {number for number, made in enumerate(apart.columns) if place in made.sources}
        assert moved == made_of_it, [apart.columns[number] for number in moved ^ made_of_it]


def test_what_mixes_is_named_and_what_one_column_became_is_not():
    pipeline = make_pipeline(STEPS["nested"], LinearRegression()).fit(FRAME, TARGET)
    apart = take_apart(pipeline, list(FRAME), Walk())
    assert apart
    assert [column.by for column in apart.columns] == ["", "", "PCA", "PCA", ""]
    assert apart.columns[-1].name == "rest__kind"


def test_a_selector_that_predicts_is_both_step_and_last():
    pipeline = make_pipeline(FILLED, RFE(RandomForestRegressor(2), n_features_to_select=2)).fit(FRAME, TARGET)
    apart = take_apart(pipeline, list(FRAME), Walk())
    assert apart
    assert isinstance(apart.last, RandomForestRegressor)
    assert len(apart.columns) == 2


def test_an_estimator_alone_has_no_steps_and_an_unknown_step_is_named():
    assert take_apart(LinearRegression().fit(FRAME[["far"]], TARGET), ["far"], Walk()) is None
    pipeline = make_pipeline(FILLED, FunctionTransformer(np.cumsum, kw_args={"axis": 1}), LinearRegression())
    with pytest.raises(NotApart, match="FunctionTransformer"):
        take_apart(pipeline.fit(FRAME, TARGET), list(FRAME), Walk())
