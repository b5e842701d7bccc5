"""Names without bounds: of features, outputs and columns. What is refused is named, and its message can be read."""

import json

import numpy as np
import pytest
import xgboost as xgb

from child import names
from jobs.errors import BadNames, NamesTooLarge
from tests.child.support import explained, json_bytes, npy, refusal, skops_bytes


def named(samples, columns) -> bytes:
    data = xgb.DMatrix(samples.x, samples.number, feature_names=list("abcde"))
    document = json.loads(bytes(xgb.train({"nthread": 1}, data, 1).save_raw("json")))
    document["learner"]["feature_names"] = columns
    return json.dumps(document).encode()


def test_a_models_names_are_bounded_together(samples):
    failed = refusal(named(samples, ["x" * 10_000_000, "b", "c", "d", "e"]), npy(samples.x))
    assert (failed.kind, failed.code, failed.detail["limit_bytes"]) == ("refused", "names_too_large", names.MOST_BYTES)
    explained(named(samples, ["x" * 10_000, "b", "c", "d", "e"]), npy(samples.x[:3]))


def test_so_are_those_of_a_table(samples, forest):
    failed = refusal(forest, json_bytes(["x" * 600_000, "y" * 600_000, "c", "d", "e"], samples.x[:3]))
    assert (failed.code, failed.detail["field"]) == ("names_too_large", "data")


def test_and_those_of_outputs(samples):
    from sklearn.linear_model import LogisticRegression

    estimator = LogisticRegression().fit(samples.x, samples.three)
    estimator.classes_ = np.array(["x" * 500_000, "y" * 500_000, "z" * 500_000])
    failed = refusal(skops_bytes(estimator), npy(samples.x[:3]), npy(samples.x[:9]))
    assert (failed.code, failed.detail["field"]) == ("names_too_large", "model")


def test_half_a_character_is_no_name():
    with pytest.raises(BadNames):
        names.check("data", ["\ud800"])


def test_the_limit_counts_bytes():
    names.check("data", ["é" * (names.MOST_BYTES // 2)])
    with pytest.raises(NamesTooLarge, match="1048578 bytes"):
        names.check("data", ["é" * (names.MOST_BYTES // 2 + 1)])


def test_what_stands_in_a_message_is_cut(forest):
    failed = refusal(forest, b"a,b,c,d,e\n1,2,3,4," + b"x" * 100_000 + b"\n")
    assert failed.code == "not_numeric"
    assert len(failed.message) < 3_000
    assert all(len(str(value)) < 3_000 for value in failed.detail.values())
