"""The parts of a scikit-learn estimator, all the way down: checked for bad indices, and set to one thread.

Used in templates. Covers trees, histogram boosting, gradient boosting and bagging here, and beside it (`native_arrays`)
libsvm, neighbours, k-means and sparse matrices: those whose native code trusts the arrays it is given.
"""

from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.ensemble._bagging import BaseBagging
from sklearn.ensemble._forest import BaseForest
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

from child.models import native_arrays, older
from jobs.errors import NotFinite
from shaptrees.readers.checks import BadTree, check_range, check_tree
from shaptrees.rules import LEAF

_BITSET_WORDS = 8
_CATEGORIES = 256
THREADS = ("n_jobs", "_n_threads")
COEFFICIENTS = ("coef_", "intercept_", "coefs_", "intercepts_", "dual_coef_", "_dual_coef_", "_intercept_", "constant_")


def parts(thing: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Every estimator, tree, predictor and sparse matrix inside, itself first."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, Tree | TreePredictor | BaseEstimator) or sparse.issparse(thing):
        yield thing
    for inner in _inside(thing):
        yield from parts(inner, seen)


def _inside(thing: Any) -> list[Any]:
    if isinstance(thing, Tree | TreePredictor | str | bytes | type) or sparse.issparse(thing):
        return []
    if isinstance(thing, np.ndarray):
        return list(thing.ravel()) if thing.dtype == object else []
    if isinstance(thing, dict):
        return list(thing.values())
    if isinstance(thing, list | tuple | set):
        return list(thing)
    if isinstance(thing, np.ufunc | FunctionType | ModuleType):
        return []
    return list(vars(thing).values()) if hasattr(thing, "__dict__") else []


def tame(estimator: Any) -> None:
    """One thread, whatever it was fitted with, no cache on disk (fitting alone would have used that), and parts of
    older versions as the installed one wants them.
    """
    for part in parts(estimator):
        older.renew(part)
        own = getattr(part, "__dict__", {})
        for name in THREADS:
            if own.get(name) is not None:
                setattr(part, name, 1)
        if own.get("memory") is not None:
            part.memory = None


def check(estimator: Any) -> None:
    """Raises NotFinite, and BadTree (or ValueError, TypeError) for the first part that native code must not follow.

    Voting, stacking and calibration also keep the unfitted estimators that theirs were cloned from: nothing to check.
    """
    for part in parts(estimator):
        if isinstance(part, BaseEstimator):
            _check_numbers(part)
        native_arrays.check(part)
        if isinstance(part, Tree):
            _check_tree(part, part.n_features)
        elif isinstance(part, BaseForest | BaseGradientBoosting) and hasattr(part, "estimators_"):
            _check_ensemble(part)
        elif isinstance(part, BaseHistGradientBoosting) and hasattr(part, "_predictors"):
            _check_histogram(part)
        elif isinstance(part, BaseBagging) and hasattr(part, "estimators_"):
            _check_bagging(part)
        elif hasattr(part, "tree_") and part.n_features_in_ != part.tree_.n_features:
            raise BadTree(f"a tree of {part.tree_.n_features} features for {part.n_features_in_}")


def _check_numbers(part: BaseEstimator) -> None:
    """An infinite coefficient may still give finite outputs, and they would be explained as if they meant something."""
    for name in COEFFICIENTS:
        found = vars(part).get(name)
        for array in found if isinstance(found, list) else [found]:
            if array is not None and not np.isfinite(_numbers(array)).all():
                raise NotFinite(what=f"A number in {name}", model=type(part).__name__, value="infinite or missing")


def _numbers(found: Any) -> Any:
    """Dense or sparse. Raises ValueError and TypeError for what holds none."""
    return np.asarray(found.data if sparse.issparse(found) else found, dtype=np.float64)


def _check_tree(tree: Tree, n_features: int) -> None:
    state = tree.__getstate__()
    nodes, values = state["nodes"], state["values"]
    if len(nodes) != tree.node_count or len(values) != tree.node_count:
        raise BadTree(f"{len(nodes)} nodes and {len(values)} values instead of {tree.node_count}")
    left, right = nodes["left_child"].astype(np.int64), nodes["right_child"].astype(np.int64)
    check_tree(left, right, nodes["feature"].astype(np.int64), n_features)
    if np.isnan(nodes["threshold"][left != LEAF]).any() or not np.isfinite(values).all():
        raise BadTree("a threshold or a value that is no number")
    if tree.compute_node_depths().max() - 1 > tree.max_depth:
        raise BadTree(f"a tree that is deeper than its {tree.max_depth} levels")


def _check_ensemble(ensemble: Any) -> None:
    """These hand their rows to each tree without asking it how many features it has."""
    if isinstance(ensemble, BaseGradientBoosting) and ensemble.estimators_.shape[1] != ensemble.n_trees_per_iteration_:
        raise BadTree(f"{ensemble.estimators_.shape[1]} trees a round, not {ensemble.n_trees_per_iteration_}")
    for member in np.ravel(ensemble.estimators_):
        if member.tree_.n_features != ensemble.n_features_in_:
            raise BadTree(f"a tree of {member.tree_.n_features} features for {ensemble.n_features_in_}")
        if isinstance(ensemble, BaseForest) and member.tree_.n_outputs != ensemble.n_outputs_:
            raise BadTree(f"a tree of {member.tree_.n_outputs} outputs for {ensemble.n_outputs_}")


def _check_bagging(bagging: Any) -> None:
    for member, features in zip(bagging.estimators_, bagging.estimators_features_, strict=True):
        check_range("a feature of a member", np.asarray(features), bagging.n_features_in_)
        if getattr(member, "n_features_in_", len(features)) != len(features):
            raise BadTree(f"a member of {member.n_features_in_} features for {len(features)}")


def _check_histogram(booster: Any) -> None:
    _check_mapper(booster._bin_mapper, booster)
    for members in booster._predictors:
        if len(members) != booster.n_trees_per_iteration_:
            raise BadTree(f"{len(members)} trees a round, not {booster.n_trees_per_iteration_}")
        for predictor in members:
            _check_predictor(predictor, booster)


def _check_mapper(mapper: Any, booster: Any) -> None:
    """What a split on categories looks up: of each feature whether it has some, and which, as bits of a set."""
    flags = np.asarray(mapper.is_categorical_, dtype=bool)
    if flags.shape != (booster.n_features_in_,) or len(mapper.bin_thresholds_) != len(flags):
        raise BadTree(f"bins of {flags.size} features for {booster.n_features_in_}")
    if not np.array_equal(np.flatnonzero(flags), np.flatnonzero(_categorical(booster))):
        raise BadTree("bins of other features with categories")
    for feature in np.flatnonzero(flags):
        known = np.asarray(mapper.bin_thresholds_[feature], dtype=np.float64)
        if not ((known >= 0) & (known < _CATEGORIES)).all():
            raise BadTree(f"a category that is no number from 0 to {_CATEGORIES - 1}")


def _check_predictor(predictor: TreePredictor, booster: Any) -> None:
    nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets
    if nodes.dtype != PREDICTOR_RECORD_DTYPE:
        raise BadTree("nodes of another type")
    inner = ~nodes["is_leaf"].astype(bool)
    left, right = (np.where(inner, nodes[side].astype(np.int64), LEAF) for side in ("left", "right"))
    check_tree(left, right, nodes["feature_idx"].astype(np.int64), booster.n_features_in_)
    if np.isnan(nodes["num_threshold"][inner]).any() or not np.isfinite(nodes["value"]).all():
        raise BadTree("a threshold or a value that is no number")
    categorical = nodes[inner & nodes["is_categorical"].astype(bool)]
    if len(categorical):
        if bitsets.dtype != np.uint32 or bitsets.ndim != 2 or bitsets.shape[1] != _BITSET_WORDS:  # noqa: PLR2004
            raise BadTree("sets of categories of another shape")
        check_range("a set of categories", categorical["bitset_idx"].astype(np.int64), len(bitsets))
        known = np.flatnonzero(_categorical(booster))
        if not np.isin(categorical["feature_idx"], known).all():
            raise BadTree("a split on categories of a feature that has none")


def _categorical(booster: Any) -> Any:
    """(features,), as its trees count them: with categories among them, scikit-learn puts those columns first."""
    remapped = getattr(booster, "_is_categorical_remapped", None)
    found = booster.is_categorical_ if remapped is None else remapped
    return np.zeros(0) if found is None else found
