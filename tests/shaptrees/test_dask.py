"""An explainer goes to Dask's partitions, as docs/shaptrees.md shows. Runs where dask.dataframe is installed.

It is not in requirements-dev: it brings pyarrow, which pandas then imports in every child that imports pandas.
"""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shaptrees import TreeExplainer

pytest.importorskip("pyarrow", reason="dask.dataframe needs it")
pytest.importorskip("dask.dataframe")
PAGE = Path(__file__).parents[2] / "docs" / "shaptrees.md"


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_the_page_s_partitions_give_the_same_values(scheduler: str) -> None:
    from sklearn.ensemble import RandomForestRegressor

    rows = np.random.default_rng(0).normal(size=(200, 3))
    table = pd.DataFrame(rows, columns=list("abc"))
    model = RandomForestRegressor(n_estimators=5, max_depth=4).fit(table, rows[:, 0] * rows[:, 1])
    (example,) = re.findall(r"(?ms)^    import dask\.dataframe.*?astype\(float\)\)$", PAGE.read_text())
    scope: dict[str, Any] = {"TreeExplainer": TreeExplainer, "pd": pd, "model": model, "table": table}
    exec(dedent(example), scope)
    values = scope["values"].compute(scheduler=scheduler)
    assert np.array_equal(values.to_numpy(), TreeExplainer(model).shap_values(table))
    assert list(values.columns) == ["a", "b", "c"]
