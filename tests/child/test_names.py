"""Names without bounds: of features, outputs and columns. What is refused is named, and its message can be read."""

import json

import numpy as np
import pytest
import xgboost as xgb
from sklearn.linear_model import LogisticRegression

from child import names
from jobs.errors import BadNames, NamesTooLarge
from jobs.protocol import MOST_NAME, Plan, Ready
from supervisor.children.claims import bounded
from tests.child.support import explained, json_bytes, npy, refusal, skops_bytes


def named(samples, columns) -> bytes:
    data = xgb.DMatrix(samples.x, samples.number, feature_names=list("abcde"))
    document = json.loads(bytes(xgb.train({"nthread": 1}, data, 1).save_raw("json")))
    document["learner"]["feature_names"] = columns
    return json.dumps(document).encode()


def test_a_name_is_bounded(samples):
    """No further than a supervisor would let it through: it kills a child that says more."""
    failed = refusal(named(samples, ["x" * 10_000_000, "b", "c", "d", "e"]), npy(samples.x))
    assert (failed.kind, failed.code, failed.detail["limit_characters"]) == ("refused", "name_too_long", MOST_NAME)
    _, heard, info = explained(named(samples, ["x" * MOST_NAME, "b", "c", "d", "e"]), npy(samples.x[:3]))
    for message in (Ready(info), heard.one(Plan)):
        assert bounded(message) == message


def wide(count: int, length: int) -> bytes:
    """Zeros and ones under long names."""
    rows = np.random.default_rng(0).integers(0, 2, (20, count)).astype(float)
    data = xgb.DMatrix(rows, rows[:, 0], feature_names=[f"{index:0{length}d}" for index in range(count)])
    return bytes(xgb.train({"nthread": 1, "max_depth": 1}, data, 1).save_raw("json"))


def test_a_models_names_are_bounded_together():
    failed = refusal(wide(300, 10_000), npy(np.zeros((2, 300))))
    assert (failed.kind, failed.code, failed.detail["limit_bytes"]) == ("refused", "names_too_large", names.MOST_BYTES)
    explained(wide(100, 10_000), npy(np.zeros((2, 100))))


def test_so_are_those_of_a_table():
    columns = [f"{index:010000d}" for index in range(110)]
    failed = refusal(wide(110, 3), json_bytes(columns, np.zeros((2, 110))))
    assert (failed.code, failed.detail["field"]) == ("names_too_large", "data")


def test_and_those_of_outputs(samples):
    estimator = LogisticRegression().fit(samples.x, samples.three)
    estimator.classes_ = np.array(["x" * 500_000, "y", "z"])
    failed = refusal(skops_bytes(estimator), npy(samples.x[:3]), npy(samples.x[:9]))
    assert (failed.code, failed.detail["field"]) == ("name_too_long", "model")


def test_half_a_character_is_no_name():
    with pytest.raises(BadNames):
        names.check("data", ["\ud800"])


def test_the_limit_counts_bytes():
    halves = ["é" * (names.MOST_BYTES // 256)] * 128
    names.check("data", halves)
    with pytest.raises(NamesTooLarge, match="1048578 bytes"):
        names.check("data", [*halves, "é"])


def test_what_stands_in_a_message_is_cut(forest):
    failed = refusal(forest, b"a,b,c,d,e\n1,2,3,4," + b"x" * 100_000 + b"\n")
    assert failed.code == "not_numeric"
    assert len(failed.message) < 3_000
    assert all(len(str(value)) < 3_000 for value in failed.detail.values())
