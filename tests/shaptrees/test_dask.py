"""An explainer goes to Dask's partitions, as docs/shaptrees.md shows: run in a process that finds dask and pyarrow.

They lie apart (requirements-dask.in says why), so a process of its own has them, and no other test.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]
DASK = Path(sys.prefix) / "dask"
"""Where `make test` has put it."""
BEFORE = """
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from shaptrees import TreeExplainer

rows = np.random.default_rng(0).normal(size=(200, 3))
table = pd.DataFrame(rows, columns=list("abc"))
model = RandomForestRegressor(n_estimators=5, max_depth=4).fit(table, rows[:, 0] * rows[:, 1])
"""
AFTER = """
values = values.compute(scheduler={scheduler!r})
assert np.array_equal(values.to_numpy(), TreeExplainer(model).shap_values(table))
assert list(values.columns) == ["a", "b", "c"]
print("the same values")
"""


@pytest.mark.skipif(not DASK.exists(), reason="make test installs requirements-dask.txt there")
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_the_page_s_partitions_give_the_same_values(scheduler: str) -> None:
    page = (ROOT / "docs" / "shaptrees.md").read_text()
    (example,) = re.findall(r"(?ms)^    import dask\.dataframe.*?astype\(float\)\)$", page)
    program = BEFORE + dedent(example) + AFTER.format(scheduler=scheduler)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(DASK)])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "the same values\n", done.stderr
