"""Random ensembles for property tests: any shape of tree, with everything a split can do."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from shaptrees.arrays import Floats, Trees
from shaptrees.build import Part, assemble
from shaptrees.rules import ALL_OUTPUTS, Missing, Rule

WORDS = 2


@dataclass(frozen=True)
class Shape:
    """What to draw from; `spine` makes trees of one long path with leaves beside it."""

    seed: int
    trees: int
    features: int
    outputs: int
    depth: int
    spine: bool
    whole: bool
    strict: bool


def shapes(*, features: int = 8, depth: int = 60, outputs: int = 10) -> st.SearchStrategy[Shape]:
    return st.builds(
        Shape,
        seed=st.integers(0, 2**32 - 1),
        trees=st.integers(1, 6),
        features=st.integers(1, features),
        outputs=st.integers(1, outputs),
        depth=st.integers(0, depth),
        spine=st.booleans(),
        whole=st.booleans(),
        strict=st.booleans(),
    )


def ensemble(shape: Shape) -> Trees:
    """The trees of a shape; the same shape gives the same trees."""
    random = np.random.default_rng(shape.seed)
    width = shape.outputs if shape.whole else 1
    parts = [_tree(random, shape, width) for _ in range(shape.trees)]
    return assemble(
        parts,
        output=ALL_OUTPUTS if shape.whole else random.integers(0, shape.outputs, shape.trees),
        base=random.normal(size=shape.outputs),
        features=shape.features,
        strict=shape.strict,
        complement=shape.outputs == 1 and bool(random.integers(2)),
    )


def rows(shape: Shape, count: int) -> Floats:
    """Values on a coarse grid, so that some meet thresholds exactly; a tenth missing, a tenth zero."""
    random = np.random.default_rng(shape.seed + 1)
    x = np.round(random.normal(size=(count, shape.features)) * 4) / 2
    x[random.random(x.shape) < 0.1] = np.nan
    x[random.random(x.shape) < 0.1] = 0.0
    return x


def _tree(random: np.random.Generator, shape: Shape, width: int) -> Part:
    left, right, open_nodes = [-1], [-1], [(0, 0)]
    while open_nodes:
        node, depth = open_nodes.pop(0)
        grows = depth < shape.depth and len(left) < 300 and (depth == 0 or shape.spine or random.random() < 0.7)
        if not grows:
            continue
        left[node], right[node] = len(left), len(left) + 1
        children = [(len(left), depth + 1), (len(left) + 1, depth + 1)]
        left += [-1, -1]
        right += [-1, -1]
        open_nodes += [children[random.integers(2)]] if shape.spine else children
    return _split(random, shape, np.array(left), np.array(right), width)


def _split(random: np.random.Generator, shape: Shape, left: np.ndarray, right: np.ndarray, width: int) -> Part:
    nodes = len(left)
    cover = np.zeros(nodes)
    cover[0] = 1000
    for node in np.flatnonzero(left >= 0):
        part = random.choice([0.0, 0.5, 1.0, random.random()], p=[0.03, 0.1, 0.03, 0.84])
        cover[left[node]], cover[right[node]] = cover[node] * part, cover[node] * (1 - part)
    rule = np.where(random.random(nodes) < 0.8, Rule.THRESHOLD, random.integers(1, 3, nodes))
    missing = random.integers(0, len(Missing), nodes)
    return Part(
        left=left,
        right=right,
        feature=random.integers(0, shape.features, nodes),
        threshold=np.round(random.normal(size=nodes) * 4) / 2,
        missing=np.where(rule == Rule.THRESHOLD, missing, missing % 2),
        cover=cover,
        values=random.normal(size=(nodes, width)),
        rule=rule,
        set_start=np.arange(nodes) * WORDS,
        set_words=np.full(nodes, WORDS),
        sets=random.integers(0, 2**32, nodes * WORDS, dtype=np.uint32),
    )
