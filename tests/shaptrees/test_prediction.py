"""What an ensemble gives after each of its trees, against the library that made it."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given

from shaptrees import engine
from shaptrees.readers import lightgbm as reader
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


@given(shapes())
def test_the_last_stage_is_the_prediction(shape: Shape) -> None:
    """With leaves that have a value for each output, and with complements, too."""
    trees, x = ensemble(shape), rows(shape, 5)
    found = engine.stages(trees, x)
    assert len(found) == trees.trees
    np.testing.assert_allclose(found[-1], trees.predict(x), atol=1e-9)
