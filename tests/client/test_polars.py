"""Data frames of polars, with all the kinds of columns that hold text, numbers and truth values."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from shap_supervisor import BadTable, Client

RANDOM = np.random.default_rng(0)
TOWNS = ["Ulm", "Bonn", 'Köln, "D"']
COLUMNS = {
    "age": RANDOM.normal(size=300),
    "n": RANDOM.integers(0, 9, 300),
    "town": RANDOM.choice(TOWNS, 300),
    "ok": RANDOM.random(300) > 0.5,
}
Y = COLUMNS["n"] + 2 * COLUMNS["ok"] + (COLUMNS["town"] == "Ulm")
PANDAS, POLARS = pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS)
KINDS: dict[str, Any] = {
    "as they are": [],
    "categorical": [pl.col("town").cast(pl.Categorical)],
    "enum": [pl.col("town").cast(pl.Enum(TOWNS))],
    "narrow": [pl.col("n").cast(pl.UInt8)],
    "a date that the model does not know": [pl.lit(datetime.date(2020, 1, 1)).alias("born")],
}


def pipeline(rows: Any) -> Any:
    encoded = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    return make_pipeline(encoded, RandomForestRegressor(5, max_depth=4, random_state=0)).fit(rows, Y)


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_the_same_frame_of_pandas(client: Client, kind: str) -> None:
    right = client.explain(pipeline(PANDAS), PANDAS, background=PANDAS[:50])
    found = client.explain(pipeline(POLARS), POLARS.with_columns(KINDS[kind]), background=POLARS[:50])
    assert list(found.feature_names) == list(PANDAS.columns)
    assert [list(row) for row in found.data[:5]] == [list(row) for row in PANDAS.to_numpy()[:5]]
    assert np.array_equal(found.values, right.values)


def test_null_is_missing(client: Client) -> None:
    booster = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(PANDAS[["age", "n"]], Y)
    rows = POLARS.select(pl.when(pl.col("n") < 5).then(pl.col("age")).alias("age"), "n")
    assert rows["age"].null_count()
    with pytest.warns(UserWarning, match="does not predict these rows here"):  # XGBoost needs pyarrow for it
        found = client.explain(booster, rows)
    right = booster.get_booster().predict(
        xgboost.DMatrix(rows.to_numpy(), feature_names=["age", "n"]), pred_contribs=True
    )
    assert np.allclose(found.values, right[:, :-1], atol=1e-5)


@pytest.mark.parametrize("rows", [POLARS.lazy(), POLARS["age"], POLARS.with_columns(pl.lit([1]).alias("many"))])
def test_what_is_no_table_of_cells_is_refused(client: Client, rows: Any) -> None:
    with pytest.raises(BadTable):
        client.explain(pipeline(PANDAS), rows)
