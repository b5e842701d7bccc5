"""What forkservers import, and what is spared by it: processes of their own, from warm to values."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXPLAINED = """
import sys
import child
child.warm("full")
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVR
from jobs.protocol import Done, Ready
from tests.child.support import Supervisor, csv_bytes, npy, skops_bytes
x = np.random.default_rng(0).normal(size=(40, 4))
cases = {
    "tree": (RandomForestRegressor(3), {}),
    "linear": (LinearRegression(), {}),
    "exact": (SVR(), {}),
    "permutation": (SVR(), {"max_evals": 15}),
    "kernel": (SVR(), {"explainer": "kernel", "nsamples": 20}),
}
"""


def run(code: str) -> None:
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(
        command, check=False, timeout=120, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_room_is_light_and_warming_it_keeps_one_thread():
    run("""
import sys, child
heavy = {"numpy", "sklearn", "shap", "xgboost", "lightgbm", "pandas"} & set(sys.modules)
assert not heavy, heavy
child.warm()
from child import preload
assert preload.thread_count() == 1
""")


def test_the_lean_stack_leaves_out_what_every_fork_would_pay_for():
    """`threading` mends its locks after each fork, `random` takes new seeds: a quarter of what small children touch."""
    run("""
import sys, child
child.warm("lean")
dear = {"threading", "random", "logging", "tempfile", "importlib.metadata"} & set(sys.modules)
assert not dear, dear
""")


@pytest.mark.parametrize("name", ["tree", "linear", "exact", "permutation", "kernel"])
def test_a_full_process_imports_nothing_late(name):
    """Neither a template nor a child; see test_stacks for lean ones."""
    run(
        EXPLAINED
        + f"""
estimator, options = cases[{name!r}]
model = skops_bytes(estimator.fit(x, x[:, 0]))
parts = {{"model": model, "data": csv_bytes(list("abcd"), x), "background": npy(x[:5])}}
supervisor, before = Supervisor(parts), set(sys.modules)
assert supervisor.load(**options).one(Ready).model.explainer == {name!r}
supervisor.open().one(Done)
late = set(sys.modules) - before
assert not late, late
"""
    )


def test_what_catboost_would_import_for_nothing_stays_away():
    """pyarrow could not be imported beside it under a cap."""
    run("""
import importlib.util, sys
assert importlib.util.find_spec("polars"), "it is installed"
import child
child.warm()
import catboost
assert not [name for name in sys.modules if "polars" in name]
""")
