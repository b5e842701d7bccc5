"""What the ways of leaving features out do at the edges: paths that are too long for the kernel, pieces, threads."""

import os

import numpy as np
import pytest

from shaptrees import TreeExplainer, threads
from shaptrees.background import Background
from shaptrees.fitted import fitted

DEPTH = 66
RANDOM = np.random.default_rng(0)


def chain() -> dict[str, object]:
    """One tree that asks every feature in turn, and goes on where it is above zero."""
    inner = np.arange(DEPTH)
    leaf = np.full(DEPTH + 1, -1)
    left, right = np.concatenate([inner + DEPTH, leaf]), np.concatenate([inner + 1, leaf])
    right[DEPTH - 1] = 2 * DEPTH
    weight = np.concatenate([2.0 ** -(inner / 8), np.zeros(DEPTH + 1)])
    weight[DEPTH:-1], weight[-1] = (
        weight[:DEPTH] - np.append(weight[1:DEPTH], weight[DEPTH - 1] / 2),
        weight[DEPTH - 1] / 2,
    )
    return {
        "children_left": left,
        "children_right": right,
        "children_default": right,
        "features": np.concatenate([inner, leaf]),
        "thresholds": np.zeros(2 * DEPTH + 1),
        "values": RANDOM.normal(size=(2 * DEPTH + 1, 1)),
        "node_sample_weight": weight,
    }


def test_paths_of_more_features_than_the_kernel_takes_have_a_background() -> None:
    tree, rows = {"trees": [chain()]}, RANDOM.random((4, DEPTH))
    background = np.where(RANDOM.random((6, DEPTH)) < 0.05, -1.0, 1.0)
    with pytest.raises(ValueError, match="more than 63 features"):
        Background(fitted(tree).trees, background).values(rows)
    explainer = TreeExplainer(tree, background)
    values = explainer.shap_values(rows)
    assert np.allclose(values.sum(axis=1) + explainer.expected_value, explainer.model.predict(rows))
    assert np.allclose(explainer.shap_interaction_values(rows).sum(axis=2), values)


def test_pieces_are_blocks_and_enough_for_every_thread() -> None:
    assert threads.piece_rows(1000, 8, 4) == 256
    assert threads.piece_rows(10, 8, 1) == 64
    assert threads.piece_rows(10**6, 8, 1) == threads.MOST_ROWS
    assert threads.piece_rows(10**6, 1 << 30, 1) == 64


def test_threads_are_counted_as_joblib_does() -> None:
    machine = len(os.sched_getaffinity(0))
    assert [threads.count(n) for n in (None, 1, 3, -1)] == [1, 1, 3, machine]
    assert threads.count(-machine - 5) == 1


def test_no_rows_have_no_values() -> None:
    explainer = TreeExplainer({"trees": [chain()]})
    assert explainer.shap_values(np.zeros((0, DEPTH))).shape == (0, DEPTH)
