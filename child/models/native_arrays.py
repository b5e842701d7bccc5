"""Arrays that native code of scikit-learn and SciPy follows unchecked: libsvm, neighbours, k-means, sparse matrices.

Used in templates, by `sklearn_parts`, which finds the parts and covers trees.
"""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.cluster._kmeans import _BaseKMeans
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.neighbors._base import NeighborsBase
from sklearn.svm._base import BaseLibSVM, BaseSVC

from shaptrees.readers.checks import BadTree

KERNELS = ("linear", "poly", "rbf", "sigmoid")


def check(part: Any) -> None:
    """Raises BadTree (or ValueError, TypeError, AttributeError) for a part that native code must not follow."""
    if sparse.issparse(part):
        _check_sparse(part)
    elif isinstance(part, BaseLibSVM) and hasattr(part, "support_"):
        _check_svm(part)
    elif isinstance(part, NeighborsBase) and hasattr(part, "n_samples_fit_"):
        _check_neighbours(part)
    elif isinstance(part, _BaseKMeans) and hasattr(part, "cluster_centers_"):
        _require(part.cluster_centers_.shape == (part.n_clusters, part.n_features_in_), "centres of another shape")


def _require(holds: Any, otherwise: str) -> None:
    if not holds:
        raise BadTree(otherwise)


def _check_sparse(matrix: Any) -> None:
    if matrix.format in ("csr", "csc"):
        matrix.check_format(full_check=True)
        return
    _require(matrix.format == "coo", f"a sparse matrix of the format {matrix.format}")
    row, column = (np.asarray(places) for places in matrix.coords)
    same = len(row) == len(column) == len(matrix.data)
    inside = _within(row, matrix.shape[0]) and _within(column, matrix.shape[1])
    _require(same and inside, "a sparse matrix with entries outside of it")


def _within(found: Any, count: int) -> bool:
    """Whether all are whole numbers from 0 to below `count`."""
    return found.dtype.kind in "iu" and bool(((found >= 0) & (found < count)).all())


def _check_svm(machine: Any) -> None:
    vectors, counts = len(machine.support_), np.asarray(machine._n_support)
    classes = max(2, len(counts))
    pairs = classes * (classes - 1) // 2
    sizes = (
        (machine.support_vectors_.shape, (vectors, machine.n_features_in_)),
        (machine._dual_coef_.shape, (classes - 1, vectors)),
        (machine._intercept_.shape, (pairs,)),
    )
    counted = counts.sum() == vectors or not isinstance(machine, BaseSVC)
    matching = (counts >= 0).all() and counted and all(found == expected for found, expected in sizes)
    _require(matching, "support vectors and coefficients that do not match")
    _require("_impl" not in vars(machine), "a machine of another kind than its class")
    _require(machine.kernel in KERNELS, f"a kernel that is none of {', '.join(KERNELS)}")
    for name in ("_probA", "_probB"):
        _require(len(getattr(machine, name, ())) in (0, 1, pairs), "probabilities of other classes")
    if sparse.issparse(machine._dual_coef_):  # libsvm takes them for a dense array
        _require(machine._dual_coef_.nnz == (classes - 1) * vectors, "coefficients that are missing")


def _check_neighbours(part: Any) -> None:
    _require(part._fit_X.shape == (part.n_samples_fit_, part.n_features_in_), "fitted rows of another shape")
    if isinstance(part, KNeighborsClassifier | RadiusNeighborsClassifier):
        labels = np.asarray(part._y)
        columns, classes = (labels.T, part.classes_) if isinstance(part.classes_, list) else ([labels], [part.classes_])
        _require(len(labels) == part.n_samples_fit_ and len(columns) == len(classes), "labels of other rows")
        for column, known in zip(columns, classes, strict=True):
            _require(column.ndim == 1 and _within(column, len(known)), "labels of no class")
