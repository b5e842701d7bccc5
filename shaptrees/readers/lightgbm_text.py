"""LightGBM's text models as they are written: what they say of themselves, and every tree checked.

Used in templates, without LightGBM; the library is in `lightgbm_model`, the trees' arrays are made in
`shaptrees.readers.lightgbm`. Linear leaves are not supported.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.errors import UnreadableModel
from shaptrees.ensemble import About
from shaptrees.readers import checks
from shaptrees.readers.names import class_names, given_names

FORMAT = "lightgbm-text"
_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_CLASSES = ("binary", "multiclass", "multiclassova", "cross_entropy")
_PER_LEAF = ("leaf_value",)
_PER_SPLIT = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_OPTIONAL_PER_LEAF = ("leaf_weight", "leaf_count")
_OPTIONAL_PER_SPLIT = ("split_gain", "internal_value", "internal_weight", "internal_count")
CATEGORICAL = 1
"""The bit of decision_type that marks a split on categories; its threshold is then an index."""


@contextmanager
def reading() -> Iterator[None]:
    """Whatever shows that it is no model of LightGBM becomes UnreadableModel."""
    try:
        yield
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)[:300]
        raise UnreadableModel(format=FORMAT, reason=reason) from None


def text_of(raw: bytes) -> str:
    """With line ends as LightGBM writes them. Raises ValueError."""
    return raw.decode().replace("\r\n", "\n")


def about(header: dict[str, str]) -> About:
    """What a checked model says of itself."""
    objective = header.get("objective", "")
    name = objective.split(" ")[0]
    outputs = output_names(objective, int(header["num_tree_per_iteration"]))
    return About(
        family="lightgbm",
        name=title(name),
        n_features=int(header["max_feature_idx"]) + 1,
        features=given_names(header["feature_names"].split()),
        takes_missing=True,
        outputs=outputs,
        native=next(iter(outputs)),
    )


def title(objective: str) -> str:
    return f"LightGBM ({objective})" if objective else "LightGBM"


def output_names(objective: str, count: int, classes: Any = None) -> dict[str, list[str]]:
    """What a model with this many outputs can be asked for; `objective` as the file has it, e.g. `binary sigmoid:1`."""
    name = objective.split(" ", maxsplit=1)[0]
    if name in _CLASSES:
        names = class_names(count, classes)
        return {"margin": names, "probability": names}
    if name in _IDENTITY and "sqrt" not in objective:
        return {"prediction": ["prediction"]}
    names = ["margin"] if count == 1 else [str(index) for index in range(count)]
    return {"margin": names, "prediction": names}


def check(text: str) -> dict[str, str]:
    """Every tree; the header. Raises ValueError or KeyError for a file that LightGBM should not see."""
    head, *blocks = re.split(r"(?m)^Tree=", text)
    header = _pairs(re.sub(r"\n+", "\n", head))
    n_features = int(header["max_feature_idx"]) + 1
    per_round = int(header["num_tree_per_iteration"])
    for name in ("feature_names", "feature_infos"):
        if len(header[name].split()) != n_features:
            raise ValueError(f"{len(header[name].split())} {name} for {n_features} features")
    if not blocks or "\nend of trees" not in blocks[-1]:
        raise ValueError("the file is truncated: `end of trees` is missing")
    if per_round < 1 or len(blocks) % per_round:
        raise ValueError(f"{len(blocks)} trees, {per_round} a round")
    for index, block in enumerate(blocks):
        try:
            _check_tree(block, index, n_features)
        except ValueError as error:
            raise ValueError(f"tree {index}: {error}") from None
    return header


def _pairs(text: str) -> dict[str, str]:
    """The `key=value` lines up to the first blank line after them. Raises ValueError for a key that comes twice."""
    pairs: dict[str, str] = {}
    for line in text.strip("\n").split("\n\n", 1)[0].split("\n"):
        key, equals, value = line.partition("=")
        if equals and key in pairs:
            raise ValueError(f"{key} twice")
        pairs[key] = value
    return pairs


def _check_tree(block: str, index: int, n_features: int) -> None:
    number, _, body = block.partition("\n")
    tree = _pairs(body)
    if int(number) != index:
        raise ValueError(f"it is numbered {number}")
    if int(tree.get("is_linear", "0")):
        raise ValueError("linear leaves (linear_tree) are not supported")
    leaves = int(tree["num_leaves"])
    if leaves < 1:
        raise ValueError("it has no leaves")
    for name in _PER_LEAF:
        checks.check_finite(f"a value in {name}", _floats(tree, name, leaves))
    for name in _PER_SPLIT:
        found = _floats(tree, name, leaves - 1)
        if name == "threshold":  # infinite where only missing values go right
            found = np.where(np.isinf(found), 0.0, found)
        checks.check_finite(f"a value in {name}", found)
    for names, size in ((_OPTIONAL_PER_LEAF, leaves), (_OPTIONAL_PER_SPLIT, leaves - 1)):
        for name in names:
            if tree.get(name, "").strip():
                checks.check_finite(f"a value in {name}", _floats(tree, name, size))
    if leaves > 1:
        _check_splits(tree, leaves, n_features)
        _check_categories(tree)


def _check_splits(tree: dict[str, str], leaves: int, n_features: int) -> None:
    """Leaf l is written as child ~l; as a node it comes after the splits, so that one check serves all families."""
    splits = leaves - 1
    ends = np.full(leaves, checks.LEAF, np.int64)
    left, right = (_children(tree[name], splits) for name in ("left_child", "right_child"))
    used = np.concatenate((left, right))
    inside = used[(used >= 0) & (used < splits + leaves)]
    if np.count_nonzero(np.bincount(inside, minlength=1)) != splits + leaves - 1:
        raise checks.BadTree("a leaf with two parents, or none")
    features = np.concatenate((_ints(tree["split_feature"]), ends))
    checks.check_tree(np.concatenate((left, ends)), np.concatenate((right, ends)), features, n_features)


def _children(text: str, splits: int) -> checks.Ints:
    children = _ints(text)
    return np.where(children < 0, splits + ~children, np.where(children < splits, children, -2))


def _check_categories(tree: dict[str, str]) -> None:
    categorical = (_ints(tree["decision_type"]) & CATEGORICAL) > 0
    count = int(tree.get("num_cat", "0"))
    if not categorical.any() and not count:
        return
    thresholds = _floats(tree, "threshold", len(categorical))[categorical]
    checks.check_range("a set of categories", thresholds.astype(np.int64), count)
    starts, words = _ints(tree["cat_boundaries"]), _ints(tree["cat_threshold"])
    if len(starts) != count + 1 or starts[0] != 0 or starts[-1] != len(words) or (np.diff(starts) < 0).any():
        raise checks.BadTree("sets of categories that do not match")


def _floats(tree: dict[str, str], name: str, size: int) -> npt.NDArray[np.float64]:
    values = np.asarray(_words(tree.get(name, "")), np.float64)
    if len(values) != size:
        raise checks.BadTree(f"{len(values)} values in {name} instead of {size}")
    return values


def _ints(text: str) -> checks.Ints:
    return np.asarray(_words(text), np.int64)


def _words(text: str) -> list[str]:
    """Numbers as LightGBM reads them; what Python would read differently (`1_0`, other alphabets) is refused."""
    if not re.fullmatch(r"[-+.0-9eEinfa ]*", text):
        raise checks.BadTree(f"not numbers: {text[:40]!r}")
    return text.split()
