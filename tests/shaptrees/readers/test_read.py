"""Files told apart by their first bytes, with numpy and nothing else."""

import subprocess
import sys

import numpy as np
import pytest

from shaptrees import readers
from shaptrees.errors import UnreadableModel

ALONE = """
import importlib.abc, sys
class OnlyNumpy(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {"numpy", "shaptrees"} | set(sys.stdlib_module_names):
            raise ImportError(name)
sys.meta_path.insert(0, OnlyNumpy())
from shaptrees import engine, readers
found = readers.read(open(sys.argv[1], "rb").read())
engine.shap_values(found.trees, [[0.0] * 3] @ __import__("numpy").eye(3))
print(found.about.family)
"""


@pytest.fixture(scope="module")
def data():
    x = np.random.default_rng(0).normal(size=(100, 3))
    return x, x[:, 0]


def files(x, y):
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(x, y), 2)
    other = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), 2)
    yield from ((bytes(booster.save_raw(form)), "xgboost") for form in ("json", "ubj"))
    yield other.model_to_string().encode(), "lightgbm"


def test_files_are_known_by_their_first_bytes(data):
    for content, family in files(*data):
        assert readers.read(content).about.family == family


def test_they_are_read_with_numpy_alone(data, tmp_path):
    for content, family in files(*data):
        (tmp_path / "model").write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-c", ALONE, tmp_path / "model"], check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == family


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"treetop", b"PK\x03\x04", b"[1]"])
def test_other_files_are_refused(content):
    with pytest.raises(UnreadableModel, match="unknown kind"):
        readers.read(content)
