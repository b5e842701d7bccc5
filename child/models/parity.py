"""Rows that tell two readings of the same trees apart: at each threshold, beside it, and where rules have exceptions.

Infinities are left out: no rows of a job hold any, as `rows.layout` refuses them. The same trees give the same rows.
"""

import numpy as np

from child.models.model import Rows
from shaptrees.arrays import Floats, Trees
from shaptrees.ensemble import Ensemble
from shaptrees.rules import WORD_BITS, Rule

ROWS = 256
SEED = 20
MOST_THRESHOLDS = 200
"""Of one feature: with their neighbours, twice as many values as there are rows to hold them."""
EDGES = (0.0, -0.0, 1e-35, -1e-35, 1e-30, 1.0, -1.0, 1e30, -3.4e38, 3.4e38)
"""LightGBM's bound for zero and what lies around it, and nearly the largest that 32-bit floats hold."""
EDGE_SHARE, MISSING_SHARE = 0.05, 0.1


def rows(ensemble: Ensemble) -> Rows:
    """(ROWS, features): every cell is drawn for itself, so that the rows reach leaves all over the trees."""
    random, trees = np.random.default_rng(SEED), ensemble.trees
    found = np.empty((ROWS, trees.features))
    by_feature = _splits_of(trees)
    for feature in range(trees.features):
        if feature in ensemble.about.texts:  # whose cells are read as codes, and are no others
            values = np.arange(len(ensemble.about.texts[feature]) or 1, dtype=np.float64)
        else:
            values = _values(trees, feature, by_feature.get(feature, np.empty(0, dtype=np.int64)), random)
        found[:, feature] = random.choice(values, ROWS)
    edges = random.random(found.shape) < EDGE_SHARE
    edges[:, list(ensemble.about.texts)] = False
    found[edges] = random.choice(EDGES, int(edges.sum()))
    if ensemble.about.takes_missing:
        found[random.random(found.shape) < MISSING_SHARE] = np.nan
    return found


def _splits_of(trees: Trees) -> dict[int, np.ndarray]:
    """Feature → its splits, for those that have any."""
    splits = np.flatnonzero(trees.inner)
    order = splits[np.argsort(trees.feature[splits], kind="stable")]
    features, starts = np.unique(trees.feature[order], return_index=True)
    return dict(zip(features.tolist(), np.split(order, starts[1:]), strict=False))  # without splits one empty piece


def _values(trees: Trees, feature: int, splits: np.ndarray, random: np.random.Generator) -> Floats:
    """What cells of this feature are drawn from."""
    member = trees.rule[splits] != Rule.THRESHOLD
    if feature in trees.categories or member.any():
        return _categories(trees, feature, splits[member])
    some = np.unique(trees.threshold[splits])
    if len(some) > MOST_THRESHOLDS:
        some = random.choice(some, MOST_THRESHOLDS, replace=False)
    with np.errstate(over="ignore"):
        single = some.astype(np.float32)
        up, down = np.float32(np.inf), np.float32(-np.inf)
        beside = [single, np.nextafter(single, up), np.nextafter(single, down)]
        beside += [some, np.nextafter(some, np.inf), np.nextafter(some, -np.inf)]
    found = np.concatenate([np.asarray(values, dtype=np.float64) for values in (*beside, random.normal(size=8))])
    finite: Floats = found[np.abs(found) <= np.finfo(np.float32).max]
    return finite


def _categories(trees: Trees, feature: int, splits: np.ndarray) -> Floats:
    """Those that are known, and some that are not."""
    known = trees.categories.get(feature)
    if known is None:
        most = int(trees.set_words[splits].max()) * WORD_BITS if len(splits) else 1
        known = np.arange(min(most, MOST_THRESHOLDS), dtype=np.float64)
    known = known[np.isfinite(known)]
    strange = [-3.0, -0.5, 1e9, (known.max() if len(known) else 0.0) + 1]
    return np.concatenate([known, strange])
