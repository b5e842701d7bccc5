"""Interactions are computed and kept for the pairs of features that meet on a path, and for no others."""

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings

from shaptrees import engine
from shaptrees.arrays import Trees
from shaptrees.rules import LEAF
from tests.shaptrees.ensembles import Shape, ensemble, rows, shapes

MIB = 1024 * 1024


def met(trees: Trees) -> set[tuple[int, int]]:
    """By walking down every path."""
    found, under_way = set(), [(int(root), frozenset()) for root in trees.offsets[:-1]]
    while under_way:
        node, above = under_way.pop()
        if trees.left[node] == LEAF:
            found |= set(combinations(sorted(above), 2))
            continue
        children = (trees.roots[node] + side[node] for side in (trees.left, trees.right))
        under_way += [(int(child), above | {int(trees.feature[node])}) for child in children]
    return found


@settings(deadline=None)
@given(shapes(depth=12))
def test_pairs_are_those_of_some_path(shape: Shape) -> None:
    trees = ensemble(shape)
    pairs = trees.pairs
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == sorted(met(trees))
    assert pairs.start.tolist() == [int((pairs.first < feature).sum()) for feature in range(trees.features + 1)]


@settings(deadline=None)
@given(shapes(depth=12))
def test_kept_alone_they_are_what_the_matrices_hold(shape: Shape) -> None:
    trees, x = ensemble(shape), rows(shape, 9)
    for level in engine.available():
        kept, matrices = (
            compute(trees, x, level=level).reshape(9, -1, trees.outputs)
            for compute in (engine.interaction_pairs, engine.interaction_values)
        )
        dense = np.zeros((9, trees.features, trees.features, trees.outputs))
        dense[:, trees.pairs.first, trees.pairs.second] = kept[:, trees.features :]
        dense[:, trees.pairs.second, trees.pairs.first] = kept[:, trees.features :]
        dense[:, range(trees.features), range(trees.features)] = kept[:, : trees.features]
        scale = max(1.0, trees.magnitude)
        np.testing.assert_allclose(dense.reshape(matrices.shape), matrices, rtol=0, atol=1e-12 * scale)


@pytest.mark.parametrize("level", engine.available())
@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 65, 130])
def test_a_row_s_pairs_do_not_depend_on_the_rows_beside_it(level: str, count: int) -> None:
    shape = Shape(seed=5, trees=4, features=6, outputs=3, depth=6, spine=False, whole=False, strict=False)
    trees, x = ensemble(shape), rows(shape, 130)
    many = engine.interaction_values(trees, x, level=level)
    assert np.array_equal(engine.interaction_values(trees, x[:count], level=level), many[:count])


WIDE = """
import resource
import numpy as np
from shaptrees import engine
from tests.shaptrees.ensembles import Shape, ensemble, rows
shape = Shape(seed=1, trees=300, features=2000, outputs=1, depth=8, spine=False, whole=False, strict=False)
trees, x = ensemble(shape), rows(shape, 20)
engine.prepare(trees)
level = {level!r}
pairs, phi = trees.pairs, engine.shap_values(trees, x[:1], level=level)
assert 10_000 < len(pairs.codes) < 500_000, len(pairs.codes)
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + {room}, now + {room}))
kept = engine.interaction_pairs(trees, x[:8], level=level)
assert np.allclose(np.bincount(pairs.first, kept[0, 2000:], 2000)
                   + np.bincount(pairs.second, kept[0, 2000:], 2000) + kept[0, :2000], phi[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS is enforced on Linux only")
def test_wide_rows_take_the_memory_of_pairs_that_meet_and_not_of_matrices() -> None:
    """2,000 features: a matrix has 32 MB."""
    code = WIDE.format(level=engine.chosen()[0], room=24 * MIB)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
