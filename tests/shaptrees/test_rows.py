"""Tables of every kind become the same rows."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from shaptrees.rows import Reading, names, rows

X = np.array([[1.0, 0.0, 2.5], [0.0, -3.0, 0.0]])


@pytest.mark.parametrize(
    "table",
    [
        X,
        X.astype(np.float32),
        X.tolist(),
        pd.DataFrame(X, columns=list("abc")),
        scipy.sparse.csr_matrix(X),
        scipy.sparse.coo_array(X),
        X.astype(object),
    ],
    ids=["array", "float32", "list", "data frame", "csr", "coo", "objects"],
)
def test_any_table_becomes_rows(table: object) -> None:
    found, single = rows(table, Reading())
    assert found.dtype == np.float64
    assert np.array_equal(found, X)
    assert not single


@pytest.mark.parametrize("row", [X[0], X[0].tolist(), pd.Series(X[0])])
def test_a_single_row_is_one(row: object) -> None:
    found, single = rows(row, Reading())
    assert np.array_equal(found, X[:1])
    assert single


def test_what_a_sparse_matrix_leaves_out_is_up_to_the_model() -> None:
    stored = scipy.sparse.csr_matrix(([1.0, 0.0, 2.0, 3.0], ([0, 0, 1, 1], [0, 1, 2, 2])), shape=(2, 3))
    found, _ = rows(stored, Reading(absent=np.nan))
    assert np.array_equal(found, [[1, 0, np.nan], [np.nan, np.nan, 5]], equal_nan=True)


def test_none_and_the_marker_are_missing() -> None:
    found, _ = rows(np.array([[None, 1], [0.1, 2]], dtype=object), Reading(missing=0.1))
    assert np.array_equal(found, [[np.nan, 1], [np.nan, 2]], equal_nan=True)


def test_text_and_boxes_are_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        rows([["a", 1]], Reading())
    with pytest.raises(ValueError, match="two dimensions, not 3"):
        rows(np.zeros((1, 2, 3)), Reading())


def test_names_are_a_data_frame_s() -> None:
    assert names(pd.DataFrame(X, columns=list("abc"))) == ["a", "b", "c"]
    assert names(X) is None
