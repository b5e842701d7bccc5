"""What counts as the same, as wrong, and as merely adding up; and values by definition, by an example."""

import numpy as np
import pytest

from crosscheck.author import shapley
from crosscheck.author.draw import Draw
from crosscheck.author.specimen import Said
from crosscheck.comparison import Answer, compared

X = np.random.default_rng(0).normal(size=(4, 3))
VALUES, BASE = X[:, :, None] * 2, np.array([0.5])
SAID = {
    "margin.output": VALUES.sum(axis=1) + BASE,
    "margin.values": VALUES,
    "margin.base": BASE,
    "margin.missed": 0.0,
    "noise": 0.0,
}


def answer(values=VALUES, base=BASE, explainer="tree", explains="margin", **more):
    return Answer(values=values, base_values=base, explains=explains, explainer=explainer, engine="", **more)


def shifted(amount):
    """Two values of a row off by the same amount, so that their sum is right."""
    off = VALUES.copy()
    off[2, 0] += amount
    off[2, 1] -= amount
    return off


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(), "same"),
        (answer(shifted(1e-7)), "same"),
        (answer(shifted(1e-4)), "wrong"),
        (answer(shifted(1e-4), explainer="permutation"), "adds up"),
        (answer(VALUES + 1e-4, explainer="permutation"), "wrong"),
        (answer(base=BASE + 1e-4), "wrong"),
        (answer(explains="probability"), "wrong"),
        (answer(np.concatenate([VALUES, VALUES], axis=2), np.repeat(BASE, 2)), "wrong"),
        (answer(np.concatenate([-VALUES, VALUES], axis=2), np.array([0.5, 0.5])), "same"),
    ],
)
def test_verdicts(given, outcome):
    if given.values.shape[2] == 2 and outcome == "same":
        assert compared(given, SAID)[0] == outcome
    elif given.values.shape[2] == 2:
        three = {name: np.repeat(found, 3, axis=-1) if np.ndim(found) else found for name, found in SAID.items()}
        assert compared(given, three)[0] == outcome
    else:
        assert compared(given, SAID)[0] == outcome


def test_contributions_that_do_not_add_up_are_not_believed():
    said = Said(SAID["margin.output"], VALUES * 1.5, BASE)
    assert said.checked().values is None
    assert Said(SAID["margin.output"], VALUES, BASE).checked().values is VALUES


def test_values_by_definition():
    """Of a product of two features, against one background row, half of what both bring belongs to each."""
    rows, background = np.array([[3.0, 5.0, 1.0]]), np.array([[1.0, 1.0, 9.0]])
    values, base = shapley.against(lambda x: x[:, :1] * x[:, 1:2], rows, background)
    assert base == 1
    assert values[0, :, 0] == pytest.approx([(2 + 10) / 2, (4 + 12) / 2, 0])


def test_the_same_seed_draws_the_same_table():
    one, other = (Draw(1, 2, 3).table(missing=True, categories=True) for _ in range(2))
    np.testing.assert_array_equal(one.x, other.x)
    assert not np.array_equal(one.x.shape, Draw(1, 3, 3).table().x.shape) or (one.x != Draw(1, 3, 3).table().x).any()
