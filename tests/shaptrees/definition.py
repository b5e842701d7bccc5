"""SHAP values by their definition: a sum over all subsets of features. For small trees only."""

from itertools import combinations
from math import factorial

import numpy as np

from shaptrees.arrays import Floats, Trees
from shaptrees.rules import ALL_OUTPUTS


def expectation(trees: Trees, row: Floats, known: frozenset[int]) -> Floats:
    """(K,): the output where only `known` features of the row are known, the others following the cover."""
    total, row = trees.base.copy(), trees.read(row[None])[0]
    for tree in range(trees.trees):
        value = _expected(trees, trees.offsets[tree], int(trees.offsets[tree]), row, known)
        if trees.tree_output[tree] == ALL_OUTPUTS:
            total += value
        else:
            total[trees.tree_output[tree]] += value[0]
    return np.array([1 - total[0], total[0]]) if trees.complement else total


def _expected(trees: Trees, first: int, node: int, row: Floats, known: frozenset[int]) -> Floats:
    if not trees.inner[node]:
        return np.asarray(trees.values[node])
    left, right = first + trees.left[node], first + trees.right[node]
    if trees.feature[node] in known:
        goes = trees.goes_left(np.array([node]), row[[trees.feature[node]]])[0]
        return _expected(trees, first, left if goes else right, row, known)
    near, far = (trees.share(np.array([node]), side)[0] for side in (trees.left, trees.right))
    return np.asarray(
        near * _expected(trees, first, left, row, known) + far * _expected(trees, first, right, row, known)
    )


def interventional(trees: Trees, row: Floats, background: Floats, known: frozenset[int]) -> Floats:
    """(K,): the mean output for the background with the row's known features put in."""
    mixed = background.copy()
    mixed[:, list(known)] = row[list(known)]
    return np.asarray(trees.predict(mixed).mean(axis=0))


def _worths(features: int, worth):  # type: ignore[no-untyped-def]
    sets = [frozenset(chosen) for size in range(features + 1) for chosen in combinations(range(features), size)]
    return {known: worth(known) for known in sets}


def values(features: int, worth) -> Floats:  # type: ignore[no-untyped-def]
    """(F, K): Shapley values of `worth`, a function of a set of features."""
    worths, phi = _worths(features, worth), []
    for feature in range(features):
        total = 0.0
        for known, value in worths.items():
            if feature not in known:
                size = len(known)
                weight = factorial(size) * factorial(features - size - 1) / factorial(features)
                total = total + weight * (worths[known | {feature}] - value)
        phi.append(total)
    return np.array(phi)


def interactions(features: int, worth) -> Floats:  # type: ignore[no-untyped-def]
    """(F, F, K): Shapley interaction values, the diagonal taking what is left of the Shapley value."""
    worths, own = _worths(features, worth), values(features, worth)
    phi = np.zeros((features, *own.shape))
    for a, b in combinations(range(features), 2):
        for known, value in worths.items():
            if a not in known and b not in known:
                size = len(known)
                weight = factorial(size) * factorial(features - size - 2) / (2 * factorial(features - 1))
                delta = worths[known | {a, b}] - worths[known | {a}] - worths[known | {b}] + value
                phi[a, b] += weight * delta
        phi[b, a] = phi[a, b]
    for a in range(features):
        phi[a, a] = own[a] - phi[a].sum(axis=0)
    return phi
