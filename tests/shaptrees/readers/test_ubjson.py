"""UBJSON as XGBoost writes it: the same numbers as in JSON, and no byte read that is not there."""

import json

import numpy as np
import pytest

from shaptrees.readers import ubjson

xgboost = pytest.importorskip("xgboost")


def test_ubjson_equals_json():
    x = np.random.default_rng(0).normal(size=(100, 4))
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(x, x[:, 0]), 2)
    found, expected = ubjson.decode(bytes(booster.save_raw("ubj"))), json.loads(bytes(booster.save_raw("json")))
    for mine, theirs in zip(trees(found), trees(expected), strict=True):
        assert mine.keys() == theirs.keys()
        for name, values in theirs.items():
            if isinstance(values, list):
                np.testing.assert_allclose(mine[name], values, rtol=1e-6)


def trees(document):
    return document["learner"]["gradient_booster"]["model"]["trees"]


BAD = {
    "no bytes": b"",
    "no end": b"{",
    "a length beyond the end": b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
    "nested too deep": b"[" * 1000,
    "a negative length": b"Sl\xff\xff\xff\xff",
    "a negative length of a list": b"[$d#l\xff\xff\xff\xff",
    "a key twice": b"{i\x01aTi\x01aT}",
    "bytes after the end": b"TT",
    "an unknown type": b"?",
    "a list of an unknown type": b"[$S#i\x01",
    "a length that is no number": b"SS",
    "text that is not UTF-8": b"Si\x01\xff",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_ubjson_is_refused(name):
    with pytest.raises(ubjson.BadUbjson):
        ubjson.decode(BAD[name])
