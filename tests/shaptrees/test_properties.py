"""Random ensembles against the definition, additivity, and the two implementations against each other."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from shaptrees import engine
from shaptrees.arrays import Floats, Trees
from tests.shaptrees import definition
from tests.shaptrees.ensembles import Shape, ensemble, rows, shapes

LEVELS = engine.available()
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def close(found: Floats, expected: Floats, scale: float, tolerance: float = 1e-9) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max(initial=0.0) <= tolerance * scale


def scale_of(trees: Trees) -> float:
    """The largest leaf value: what rounding errors are relative to."""
    return float(max(1e-300, np.abs(trees.values).max()))


def with_outputs(trees: Trees, phi: Floats) -> Floats:
    return phi if trees.outputs > 1 else phi[..., None]


def check_additive(shape: Shape) -> None:
    trees, x = ensemble(shape), rows(shape, 19)
    for level in LEVELS:
        phi = with_outputs(trees, engine.shap_values(trees, x, level=level))
        close(phi.sum(axis=1) + trees.expected_value, trees.predict(x), scale_of(trees))
        close(engine.predict(trees, x, level=level), trees.predict(x), scale_of(trees), 1e-12)


@EXAMPLES
@given(shapes(features=70))
def test_values_and_expectation_add_up_to_the_prediction(shape: Shape) -> None:
    check_additive(shape)


@pytest.mark.slow
@MANY
@given(shapes(features=70))
def test_values_and_expectation_add_up_to_the_prediction_many(shape: Shape) -> None:
    check_additive(shape)


@EXAMPLES
@given(shapes(features=5, depth=7, outputs=3))
def test_values_are_those_of_the_definition(shape: Shape) -> None:
    trees, x = ensemble(shape), rows(shape, 3)
    expected = np.array(
        [
            definition.values(trees.features, lambda known, row=row: definition.expectation(trees, row, known))
            for row in x
        ]
    )
    for level in LEVELS:
        close(with_outputs(trees, engine.shap_values(trees, x, level=level)), expected, scale_of(trees))


@EXAMPLES
@given(shapes(features=4, depth=6, outputs=2))
def test_interactions_are_those_of_the_definition(shape: Shape) -> None:
    trees, x = ensemble(shape), rows(shape, 2)
    expected = np.array(
        [
            definition.interactions(trees.features, lambda known, row=row: definition.expectation(trees, row, known))
            for row in x
        ]
    )
    for level in LEVELS:
        close(with_outputs(trees, engine.interaction_values(trees, x, level=level)), expected, scale_of(trees))


@EXAMPLES
@given(shapes(features=40, depth=40, outputs=2))
def test_rows_of_interactions_add_up_to_the_values(shape: Shape) -> None:
    trees, x = ensemble(shape), rows(shape, 18)
    own = engine.shap_values(trees, x)
    for level in LEVELS:
        found = engine.interaction_values(trees, x, level=level)
        close(found.sum(axis=2), own, scale_of(trees))
        close(found, np.swapaxes(found, 1, 2), scale_of(trees))


@EXAMPLES
@given(shapes(features=5, depth=7, outputs=3))
def test_interventional_values_are_those_of_the_definition(shape: Shape) -> None:
    trees, x, background = ensemble(shape), rows(shape, 3), rows(shape, 10)[3:]
    expected = np.array(
        [
            definition.values(
                trees.features, lambda known, row=row: definition.interventional(trees, row, background, known)
            )
            for row in x
        ]
    )
    for level in LEVELS:
        found = engine.Background(trees, background, level=level).values(x)
        close(with_outputs(trees, found), expected, scale_of(trees))


@EXAMPLES
@given(shapes(features=4, depth=6, outputs=2))
def test_interventional_interactions_are_those_of_the_definition(shape: Shape) -> None:
    trees, x, background = ensemble(shape), rows(shape, 2), rows(shape, 9)[2:]
    expected = np.array(
        [
            definition.interactions(
                trees.features, lambda known, row=row: definition.interventional(trees, row, background, known)
            )
            for row in x
        ]
    )
    for level in LEVELS:
        found = engine.Background(trees, background, level=level).interactions(x)
        close(with_outputs(trees, found), expected, scale_of(trees))


@EXAMPLES
@given(shapes(features=60, outputs=3))
def test_interventional_values_and_the_mean_add_up_to_the_prediction(shape: Shape) -> None:
    trees, x, background = ensemble(shape), rows(shape, 5), rows(shape, 75)[5:]
    for level in LEVELS:
        against = engine.Background(trees, background, level=level)
        phi, mean = with_outputs(trees, against.values(x)), against.expected_value
        close(mean, trees.predict(background).mean(axis=0), scale_of(trees), 1e-12)
        close(phi.sum(axis=1) + mean, trees.predict(x), scale_of(trees))
