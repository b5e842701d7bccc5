"""Random pipelines, nested, with missing cells and categories: sums are the pipeline's own output, and a linear last
step's values are the definition over the table's columns. `PIPELINES=200` tries as many.
"""

import os

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from tests.child.support import explained, skops_bytes

RANDOM = np.random.default_rng(21)
FRAME = pd.DataFrame(
    {
        "city": RANDOM.choice(["Bern", "Lyon", "Oslo"], 80),
        "kind": RANDOM.integers(1, 5, 80),
        "a": RANDOM.normal(size=80),
        "b": np.where(RANDOM.random(80) < 0.2, np.nan, RANDOM.normal(size=80)),
        "c": RANDOM.random(80) + 1,
    }
)
TARGET = (FRAME["city"] == "Lyon") + FRAME["a"] * FRAME["c"] + FRAME["kind"]
ROWS, BACKGROUND = FRAME[:6], FRAME[40:48]
EXACT = ("standard", "range", "quantiles", "bins", "indicator")
NUMBERS = {
    "standard": StandardScaler,
    "range": MinMaxScaler,
    "quantiles": lambda: QuantileTransformer(n_quantiles=9),
    "bins": lambda: KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    "indicator": lambda: FeatureUnion([("one", StandardScaler()), ("two", SelectKBest(k=1))]),
    "polynomial": lambda: PolynomialFeatures(2),
    "mixed": lambda: PCA(2),
}
ENCODERS = {
    "one-hot": lambda: OneHotEncoder(sparse_output=False),
    "rare": lambda: OneHotEncoder(max_categories=2, sparse_output=False),
    "ordinal": OrdinalEncoder,
    "target": lambda: TargetEncoder(random_state=0, cv=2),
}
LASTS = {
    "linear": Ridge,
    "forest": lambda: RandomForestRegressor(2, max_depth=4, random_state=0),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=3, random_state=0),
    "histogram": lambda: HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=4),
}


def built(numbers, encoder, last):
    filled = make_pipeline(SimpleImputer(add_indicator=True), *(NUMBERS[name]() for name in numbers))
    steps = ColumnTransformer(
        [("text", ENCODERS[encoder](), ["city", "kind"]), ("number", filled, ["b", "a", "c"])], sparse_threshold=0
    )
    return make_pipeline(steps, LASTS[last]()).fit(FRAME, TARGET)


@settings(
    max_examples=int(os.environ.get("PIPELINES", "12")),
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(st.sampled_from(sorted(NUMBERS)), max_size=2),
    st.sampled_from(sorted(ENCODERS)),
    st.sampled_from(sorted(LASTS)),
)
def test_sums_are_the_pipelines_own_output(numbers, encoder, last):
    pipeline = built(numbers, encoder, last)
    background = BACKGROUND.to_csv(index=False).encode() if last == "linear" else None
    values, _, info = explained(skops_bytes(pipeline), ROWS.to_csv(index=False).encode(), background)
    found = values[..., 0].sum(axis=1) + info.base_values[0]
    np.testing.assert_allclose(found, pipeline.predict(ROWS), atol=1e-8)
    assert (info.columns is None) == set(EXACT).issuperset(numbers)
    if last == "linear" and info.columns is None:
        np.testing.assert_allclose(values[..., 0], by_definition(pipeline), atol=1e-8)


def by_definition(pipeline):
    """Where columns are added up, a column's Shapley value is what changes when it alone is the background's."""
    own = pipeline.predict(ROWS)
    found = np.zeros(ROWS.shape)
    for place, column in enumerate(FRAME):
        for cell in BACKGROUND[column]:
            found[:, place] += own - pipeline.predict(ROWS.assign(**{column: cell}))
    return found / len(BACKGROUND)
