"""Tensors of the inference protocols: what makes a table, and what is wrong with the rest. Cuts: see `test_readers`."""

import json

import numpy as np
import pytest

from child.rows import tensors_file
from child.rows.readers import open_table
from jobs import errors
from tests.child.rows.test_readers import read_all, source
from tests.child.support import tensors


def test_tensors_of_text_and_booleans_and_missing_values():
    raw = json.dumps(
        {
            "inputs": [
                {"name": "b", "datatype": "BOOL", "shape": [3], "data": [True, False, None]},
                {"name": "a", "datatype": "INT64", "shape": [3, 1], "data": [[1], [None], [3]]},
                {"name": "c", "datatype": "BYTES", "shape": [3, 1], "data": ["4", " 5 ", "nan"]},
            ]
        }
    ).encode()
    assert open_table(source(raw), 2).columns == ["b", "a", "c"]
    np.testing.assert_array_equal(read_all(raw), [[1, 1, 4], [0, np.nan, 5], [np.nan, 3, np.nan]])


@pytest.mark.parametrize(
    ("raw", "problem", "said"),
    [
        (tensors(("a", [1.0]), ("b", [1.0, 2.0])), errors.BadTensors, "b has 2 rows, and the first input 1"),
        (tensors(("a", [[1.0, 2.0]]), ("b", [1.0])), errors.BadTensors, "a has the shape [1, 2]"),
        (tensors(("a", [[[1.0]]])), errors.BadTensors, "a has the shape [1, 1, 1]"),
        (tensors(("a", 1.0), shape=[]), errors.BadTensors, "data"),
        (tensors(("a", [1.0, 2.0]), shape=[3, 1]), errors.BadTensors, "holds 2 values"),
        (tensors(("a", [1.0] * 4), shape=[-2, -2]), errors.BadTensors, "a has the shape [-2, -2]"),
        (tensors(("a", [[1.0], [2.0, 3.0]]), shape=[2, 1]), errors.BadTensors, "not nested as its shape"),
        (tensors(("a", [[1.0, [2.0]]]), shape=[1, 2]), errors.BadTensors, "other values: list"),
        (tensors(("a", ["1"])), errors.BadTensors, "a is FP64 and holds other values: str"),
        (tensors(("a", [1]), datatype="BYTES"), errors.BadTensors, "other values: int"),
        (tensors(("a", [1]), datatype="BOOL"), errors.BadTensors, "other values: int"),
        (tensors(("a", [1.0]), datatype="COMPLEX"), errors.BadTensors, "type COMPLEX"),
        (tensors(("a", [])), errors.NoRows, ""),
        (tensors(("a", []), shape=[2, 0]), errors.NoRows, ""),
        (b'{"inputs": [{"datatype": "FP64"}]}', errors.BadTensors, "name"),
        (tensors(("a", [1.0]))[:-3], errors.MalformedJson, "byte"),
    ],
)
def test_tensors_that_make_no_table(raw, problem, said):
    with pytest.raises(problem) as caught:
        read_all(raw)
    assert said in caught.value.message


def test_tensors_have_a_limit(monkeypatch):
    """Every child reads the whole document."""
    raw = tensors(("a", [1.0]))
    monkeypatch.setattr(tensors_file, "MAX_BYTES", len(raw) - 1)
    with pytest.raises(errors.TooLarge, match="POST /analyze"):
        read_all(raw)
