"""Paths that nearly all training rows followed, and rows that do not: what needs most quadrature nodes."""

import numpy as np
import pytest

from shaptrees import engine
from shaptrees.arrays import LEAF, Floats, Trees
from shaptrees.build import Part, assemble


def chain(depth: int, share: float, *, repeats: bool) -> Trees:
    """Every split sends a share of what arrives on to the next; leaves lie beside the path and at its end."""
    splits, nodes = np.arange(depth), 2 * depth + 1
    left, right = np.full(nodes, LEAF), np.full(nodes, LEAF)
    left[2 * splits], right[2 * splits] = 2 * splits + 2, 2 * splits + 1
    cover, feature, values = np.ones(nodes), np.zeros(nodes), np.zeros((nodes, 1))
    cover[2 * np.arange(depth + 1)] = share ** np.arange(depth + 1)
    cover[2 * splits + 1] = share**splits * (1 - share)
    feature[2 * splits] = splits // 2 if repeats else splits
    values[1::2, 0], values[-1] = np.linspace(-1, 1, depth), 1
    part = Part(
        left=left,
        right=right,
        feature=feature,
        threshold=np.zeros(nodes),
        missing=np.zeros(nodes),
        cover=cover,
        values=values,
    )
    return assemble([part], output=0, base=np.zeros(1), features=depth)


def on_and_off(depth: int) -> Floats:
    """(depth + 1, depth): rows that follow the path at none, one, two, ... and at all splits, in scattered places."""
    x = np.ones((depth + 1, depth))
    order = np.random.default_rng(depth).permutation(depth)
    for row in range(depth + 1):
        x[row, order[:row]] = -1
    return x


@pytest.mark.parametrize("level", engine.available())
@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.97, 0.9999])
@pytest.mark.parametrize("depth", [6, 12, 17, 24, 33, 48, 92])
def test_values_add_up_for_rows_that_leave_the_path(depth: int, share: float, repeats: bool, level: str) -> None:
    trees, x = chain(depth, share, repeats=repeats), on_and_off(depth)
    phi = engine.shap_values(trees, x, level=level)
    np.testing.assert_allclose(phi.sum(axis=1) + trees.expected_value, trees.predict(x)[:, 0], rtol=0, atol=1e-11)


@pytest.mark.parametrize("level", engine.available())
def test_rows_of_interactions_add_up_to_the_values(level: str) -> None:
    trees, x = chain(24, 0.97, repeats=False), on_and_off(24)
    pairs = engine.interaction_values(trees, x, level=level)
    np.testing.assert_allclose(pairs.sum(axis=2), engine.shap_values(trees, x, level=level), rtol=0, atol=1e-11)
