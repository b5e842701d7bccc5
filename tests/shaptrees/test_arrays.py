"""Arrays that are no trees are refused, however many nodes there are: the kernel follows them without looking."""

import dataclasses

import numpy as np
import pytest

from shaptrees.arrays import Trees
from shaptrees.errors import FeatureCount, UnreadableModel
from shaptrees.nodes import BLOCK_NODES
from tests.shaptrees.ensembles import Shape, ensemble

NODES = 7
TREES = 3 * BLOCK_NODES // NODES
"""Three blocks of nodes are checked one after the other."""


def forest() -> Trees:
    """Full trees of two levels of splits."""
    left = np.tile(np.array([1, 3, 5, -1, -1, -1, -1], np.int32), TREES)
    right = np.tile(np.array([2, 4, 6, -1, -1, -1, -1], np.int32), TREES)
    nodes = NODES * TREES
    return Trees(
        offsets=np.arange(TREES + 1, dtype=np.int32) * NODES,
        left=left,
        right=right,
        feature=np.zeros(nodes, np.int32),
        threshold=np.zeros(nodes),
        rule=np.zeros(nodes, np.uint8),
        missing=np.zeros(nodes, np.uint8),
        set_start=np.zeros(nodes, np.int32),
        set_words=np.zeros(nodes, np.int32),
        sets=np.zeros(0, np.uint32),
        cover=np.ones(nodes),
        values=np.ones((nodes, 1)),
        tree_output=np.zeros(TREES, np.int32),
        base=np.zeros(1),
        features=1,
    )


HARM = {
    "a child after its tree": ("left", NODES, "left child is not a later node"),
    "a child before its parent": ("right", 0, "right child is not a later node"),
    "a negative child": ("left", -3, "left child is not a later node"),
    "one child": ("right", -1, "one child|right child"),
    "a child of two": ("left", 2, "two parents"),
}


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0], ids=["first block", "middle", "last tree"])
@pytest.mark.parametrize("name", HARM)
def test_every_block_of_nodes_is_checked(name: str, place: float) -> None:
    trees = forest()
    field, value, words = HARM[name]
    array = getattr(trees, field).copy()
    array[int(place * (TREES - 1)) * NODES] = value
    with pytest.raises(UnreadableModel, match=words):
        dataclasses.replace(trees, **{field: array})


def test_a_tree_larger_than_a_block_is_checked_to_its_end() -> None:
    chain = BLOCK_NODES + 1
    left = np.full(2 * chain + 1, -1, np.int32)
    left[:chain] = np.arange(chain) + 1
    right = np.full(2 * chain + 1, -1, np.int32)
    right[:chain] = np.arange(chain) + chain + 1
    nodes, trees = len(left), forest()
    changed = {
        name: np.zeros(nodes, getattr(trees, name).dtype)
        for name in ("feature", "threshold", "rule", "missing", "set_start", "set_words", "cover")
    }
    changed |= {"values": np.zeros((nodes, 1)), "tree_output": np.zeros(1, np.int32)}
    changed |= {"offsets": np.array([0, nodes], np.int32), "left": left}
    dataclasses.replace(trees, right=right, **changed)
    for value in (nodes, chain - 1):
        harmed = right.copy()
        harmed[chain - 1] = value
        with pytest.raises(UnreadableModel, match="right child"):
            dataclasses.replace(trees, right=harmed, **changed)


def test_rows_of_another_width_are_refused() -> None:
    trees = ensemble(Shape(seed=1, trees=2, features=3, outputs=1, depth=2, spine=False, whole=True, strict=False))
    for rows in (np.zeros((2, 4)), np.zeros(3), np.zeros(())):
        with pytest.raises(FeatureCount) as caught:
            trees.predict(rows)
        assert caught.value.expected == 3
        assert "3 features" in str(caught.value)
