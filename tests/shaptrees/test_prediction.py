"""What an ensemble gives after each of its trees, against the library that made it."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shaptrees import engine
from shaptrees.build import Part, assemble
from shaptrees.readers import lightgbm as reader
from shaptrees.rules import LEAF
from tests.shaptrees.ensembles import Shape, ensemble, rows, shapes

X = np.random.default_rng(0).normal(size=(90, 4))


@pytest.mark.parametrize(("classes", "objective"), [(1, "regression"), (3, "multiclass")])
def test_stages_are_what_the_trees_give_one_after_the_other(classes: int, objective: str) -> None:
    params = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "objective": objective, "num_class": classes}
    model = lightgbm.train(params, lightgbm.Dataset(X, np.digitize(X[:, 0], [-0.5, 0.5])), 4)
    trees = reader.read(model.model_to_string().encode()).trees
    found = engine.stages(trees, X[:9])
    assert found.shape == (4 * classes, 9, classes)
    for rounds in (1, 2, 4):
        own = model.predict(X[:9], raw_score=True, num_iteration=rounds).reshape(9, classes)
        np.testing.assert_allclose(found[classes * rounds - 1], own, atol=1e-12)


@settings(deadline=None)
@given(shapes())
def test_the_last_stage_is_the_prediction(shape: Shape) -> None:
    """With leaves that have a value for each output, and with complements, too."""
    trees, x = ensemble(shape), rows(shape, 5)
    found = engine.stages(trees, x)
    assert len(found) == trees.trees
    np.testing.assert_allclose(found[-1], trees.predict(x), atol=1e-9)


@settings(deadline=None)
@given(shapes(depth=90), st.sampled_from([1, 15, 16, 17, 40]))
def test_a_row_s_prediction_does_not_depend_on_the_rows_beside_it(shape: Shape, count: int) -> None:
    """The kernel takes many rows down a tree in another way than few, and trees with categories in another again."""
    trees, x = ensemble(shape), rows(shape, 40)
    expected = trees.predict(x)
    for level in engine.available():
        found = engine.predict(trees, x[:count], level=level)
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=1e-12 * max(1.0, trees.magnitude))


def test_a_tree_of_many_nodes_is_followed_like_others() -> None:
    """Over 65,536 nodes, which are too many to be copied."""
    random, inner = np.random.default_rng(2), 2**16
    place = np.arange(2 * inner + 1)
    left, right = (np.where(place < inner, 2 * place + side, LEAF) for side in (1, 2))
    values = random.normal(size=(len(place), 1))
    part = Part(
        left=left,
        right=right,
        feature=random.integers(0, 4, len(place)),
        threshold=random.normal(size=len(place)),
        cover=np.ones(len(place)),
        values=values,
        missing=place % 2,
    )
    trees = assemble([part], output=0, base=np.zeros(1), features=4)
    np.testing.assert_array_equal(engine.predict(trees, X), trees.predict(X))
