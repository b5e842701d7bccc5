"""What scikit-learn's models predict that is no number: labels of classes and clusters, for each of several targets.

Used in templates. A label is no quantity that could be shared out: what is explained is whether it is predicted, 1 or
0.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_clusterer

from child.models.model import Rows
from shaptrees.readers.names import class_names

Labels = list[Any]
"""The labels of each target, as arrays."""


def labels_of(estimator: Any) -> Labels | None:
    """None for one that predicts numbers."""
    if is_classifier(estimator):
        classes = getattr(estimator, "classes_", None)
        return classes if isinstance(classes, list) else None if classes is None else [classes]
    if is_clusterer(estimator) and hasattr(estimator, "labels_"):
        centers = range(len(getattr(estimator, "cluster_centers_", ())))
        return [np.union1d(estimator.labels_, np.array(centers, dtype=int))]
    return None


def names(count: int, known: Labels) -> list[str]:
    """Of `count` outputs: the labels, with the target before them where there are several, or the targets."""
    if len(known) == 1:
        return class_names(count, known[0])
    every = [f"{target}: {label}" for target, labels in enumerate(known) for label in labels]
    return every if count == len(every) else [str(index) for index in range(count)]


def predicted(call: Callable[[Rows], Any], known: Labels) -> Callable[[Rows], Rows]:
    """(rows, labels of all targets): 1 where a label is predicted, 0 elsewhere."""

    def asked(rows: Rows) -> Rows:
        found = np.asarray(call(rows)).reshape(len(rows), len(known))
        said = [found[:, [target]] == labels for target, labels in enumerate(known)]
        return np.concatenate(said, axis=1).astype(np.float64)

    return asked


def side_by_side(call: Callable[[Rows], Any]) -> Callable[[Rows], Any]:
    """Of several targets, each with an array of its own, one array."""

    def asked(rows: Rows) -> Any:
        found = call(rows)
        return np.concatenate(found, axis=1) if isinstance(found, list) else found

    return asked
