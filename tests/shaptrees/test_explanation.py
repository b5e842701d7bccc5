"""The explanation where shap is not installed: it slices and adds up as shap's does."""

import numpy as np
import pytest
import shap

from shaptrees.explanation import Explanation

RANDOM = np.random.default_rng(0)
NAMES = ["age", "size", "weight"]


def pair(*shape: int, outputs: int = 0) -> tuple[Explanation, shap.Explanation]:
    tail = (outputs,) if outputs else ()
    parts = {
        "values": RANDOM.normal(size=(*shape, *tail)),
        "base_values": RANDOM.normal(size=(shape[0], *tail)),
        "data": RANDOM.normal(size=(shape[0], 3)),
        "feature_names": NAMES,
    }
    return Explanation(**parts), shap.Explanation(**parts)


KEYS = [
    0,
    slice(1, 4),
    (slice(None), 1),
    (slice(None), "size"),
    (2, "age"),
    ([0, 2], slice(None)),
    (slice(2), slice(1, 3)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("outputs", [0, 2])
def test_slices_are_shap_s(key: object, outputs: int) -> None:
    ours, theirs = (found[key] for found in pair(5, 3, outputs=outputs))
    for part in ("values", "base_values", "data"):
        assert np.array_equal(getattr(ours, part), getattr(theirs, part)), part
    assert ours.shape == theirs.shape


def test_outputs_are_the_last_axis() -> None:
    ours, theirs = (found[..., 1] for found in pair(5, 3, outputs=2))
    assert np.array_equal(ours.values, theirs.values)
    assert np.array_equal(ours.base_values, theirs.base_values)
    assert np.array_equal(ours.data, theirs.data)
    assert ours.feature_names == NAMES


def test_sizes_and_sums_over_an_axis() -> None:
    ours, theirs = pair(5, 3)
    assert len(ours) == 5
    assert np.array_equal(ours.abs.mean(0).values, theirs.abs.mean(0).values)
    assert np.array_equal(ours.max(0).values, theirs.max(0).values)
    assert np.array_equal(ours.sum(1).values, theirs.values.sum(axis=1))
    assert ours.abs.mean(0)["size"].values == np.abs(ours.values[:, 1]).mean()
    assert np.array_equal(ours.mean(1)[2].base_values, ours.base_values[2])


def test_interactions_have_two_axes_of_features() -> None:
    ours, _ = pair(4, 3, 3, outputs=2)
    assert ours.axes == ("row", "feature", "feature", "output")
    assert ours[0].axes == ("feature", "feature", "output")


def test_it_is_frozen() -> None:
    ours, _ = pair(4, 3)
    with pytest.raises(AttributeError):
        ours.values = None  # type: ignore[misc]
