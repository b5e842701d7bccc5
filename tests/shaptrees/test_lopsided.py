"""Paths that nearly all training rows followed, and rows that do not: what needs most quadrature nodes."""

import numpy as np
import pytest

from shaptrees import engine
from shaptrees.arrays import Floats, Trees
from shaptrees.build import Part, assemble
from shaptrees.rules import ALL_OUTPUTS, LEAF
from tests.shaptrees import definition

TINY = 1e-13
FEATURES, OUTPUTS = 4, 2


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


def steep(seed: int, outputs: int) -> Trees:
    """Trees with edges that a share of TINY follows, where leaves are so large that they count as much as all others.

    No row with values from -1 to 1 goes there.
    """
    random, nodes = np.random.default_rng(seed), list[dict[str, float]]()

    def grow(depth: int, cover: float, worth: float) -> int:
        place = len(nodes)
        nodes.append({"left": LEAF, "right": LEAF, "feature": 0, "threshold": 0.0, "cover": cover, "worth": worth})
        if depth == 0 or random.random() < 0.15:
            return place
        share, threshold = random.uniform(0.2, 0.8), random.normal() / 2
        if random.random() < 0.4:
            share, threshold = (TINY, -9.0) if random.random() < 0.5 else (1 - TINY, 9.0)
        near, far = (TINY, 1.0) if share == TINY else (1.0, TINY) if threshold == 9 else (share, 1 - share)
        left = grow(depth - 1, cover * near, worth * (1 if near > TINY else 1 / TINY))
        right = grow(depth - 1, cover * far, worth * (1 if far > TINY else 1 / TINY))
        nodes[place] |= {"left": left, "right": right, "feature": random.integers(FEATURES), "threshold": threshold}
        return place

    grow(5, 1.0, 1.0)
    column = {name: np.array([node[name] for node in nodes]) for name in nodes[0]}
    values = random.normal(size=(len(nodes), outputs)) * column.pop("worth")[:, None]
    part = Part(missing=np.zeros(len(nodes)), values=values, **column)
    output = ALL_OUTPUTS if outputs > 1 else 0
    return assemble([part], output=output, base=np.zeros(outputs), features=FEATURES)


@pytest.mark.parametrize("level", engine.available())
@pytest.mark.parametrize("outputs", [1, OUTPUTS])
def test_edges_that_next_to_nothing_follows_keep_their_digits(level: str, outputs: int) -> None:
    """1 minus the share of the other side has none left of them."""
    met = 0
    for seed in range(12):
        trees, row = steep(seed, outputs), np.random.default_rng(seed).uniform(-1, 1, (1, FEATURES))
        met += bool((trees.share(np.flatnonzero(trees.inner), trees.left) <= TINY).any())

        def worth(known: frozenset[int], trees: Trees = trees, row: Floats = row) -> Floats:
            return definition.expectation(trees, row[0], known)

        expected = worth(frozenset())
        np.testing.assert_allclose(trees.expected_value, expected, rtol=1e-9, atol=1e-9)
        phi = engine.shap_values(trees, row, level=level)[0].reshape(FEATURES, outputs)
        np.testing.assert_allclose(phi, definition.values(FEATURES, worth), rtol=0, atol=1e-9)
        pairs = engine.interaction_values(trees, row, level=level)[0].reshape(FEATURES, FEATURES, outputs)
        np.testing.assert_allclose(pairs, definition.interactions(FEATURES, worth), rtol=0, atol=1e-9)
    assert met > 3
