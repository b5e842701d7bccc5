"""LightGBM's saved models, parsed and checked in one place. No LightGBM is needed.

What the lines of a file are is said by `lightgbm_text`; here are the numbers in them. Every index is checked, also
those that only LightGBM follows: whoever has read or checked a file here may hand it to LightGBM. Linear trees are
checked and not read: their leaves are not constants.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.build import Part, assemble
from shaptrees.ensemble import About, Ensemble
from shaptrees.errors import UnsupportedModel
from shaptrees.readers import categories, checks, lightgbm_text
from shaptrees.readers.faults import reading
from shaptrees.readers.lightgbm_text import Section, integer, integers
from shaptrees.readers.names import class_names, given_names
from shaptrees.rules import LEAF, ZERO_BOUND, Link, Missing, Rule

FORMAT = "lightgbm-text"
_CATEGORICAL, _DEFAULT_LEFT, _KINDS = 1, 2, 16
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2
_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_CLASSES = ("binary", "multiclass", "multiclassova", "cross_entropy")
_LOGISTIC = ("binary", "cross_entropy", "xentropy", "multiclassova")
_EXP = ("poisson", "gamma", "tweedie")
_UNUSED_FLOATS = (("leaf_weight", 0), ("split_gain", 1), ("internal_value", 1), ("internal_weight", 1))
"""Of leaves, or of splits, of which there is one less."""


def read(content: bytes, *, codes: bool = False, texts: bool = False) -> Ensemble:
    """The trees of a saved model, and what it says of itself.

    A model that was trained on a data frame of pandas keeps the lists of its categories: rows hold those, or with
    `codes` their places in these lists, as LightGBM itself takes arrays; with `texts` rows hold codes for categories
    that are text (`About.texts`). Raises UnreadableModel; UnsupportedModel for categories that are text, for lists that
    may be of more than one column, and for linear trees.
    """
    with reading(FORMAT):
        text = lightgbm_text.parse(content)
        head = text.head
        _check_head(head, len(text.starts))
        features, outputs = integer(head, "max_feature_idx") + 1, integer(head, "num_tree_per_iteration")
        rounds = len(text.starts) // outputs if "average_output" in head else 1
        numbers, named = ({}, {}) if codes else _categories(text, texts=texts)
        trees = assemble(
            _constant(_parts(text.sections(), features, rounds)),
            output=np.arange(len(text.starts)) % outputs,
            base=np.zeros(outputs),
            features=features,
            link=_link(*head.get("objective", "").split(" ")),
            categories=numbers,
        )
        return Ensemble(about=replace(_about(head, features, outputs), texts=named), trees=trees)


def _categories(text: lightgbm_text.Text, *, texts: bool) -> tuple[dict[int, Floats], categories.Listed]:
    """See `categories.split`. The lists stand in the order of their columns, which they do not name."""
    lists, infos = _lists(text.tail), _words(text.head["feature_infos"])
    fits = [[_may_be_coded(info, len(known)) for info in infos] for known in lists]
    columns = categories.places(fits, [_is_categorical(info) for info in infos]) if lists else []
    if columns is None:
        if all(known == list(range(len(known))) for known in lists):
            return {}, {}
        reason = f"its file keeps {len(lists)} lists of categories and does not say of which columns: train it on codes"
        raise UnsupportedModel("LightGBM", reason)
    found = dict(zip(columns, lists, strict=True))
    return categories.split(found, _words(text.head["feature_names"]), "LightGBM", texts=texts)


def _lists(tail: str) -> list[list[Any]]:
    """The categories of a data frame's columns, as LightGBM's Python package writes them at the end.

    Raises UnsupportedModel for too many, ValueError for what is no list of lists.
    """
    found = re.findall(r"(?m)^pandas_categorical:(.*)$", tail)
    categories.check_count(categories.entries(found[-1]) if found else 0, "LightGBM")
    lists = (json.loads(found[-1]) if found else None) or []
    if not isinstance(lists, list) or not all(isinstance(known, list) for known in lists):
        raise ValueError("pandas_categorical is no list of lists")
    return lists


def _is_categorical(info: str) -> bool:
    """The file has a range [0:1] for numbers, and for categories all codes: 3:0:1."""
    return info != "none" and not info.startswith("[")


def _may_be_coded(info: str, count: int) -> bool:
    """Whether a column of `count` categories can be said to hold this; categories in an order are split by it."""
    if info == "none":
        return True
    seen = [float(word) for word in info.strip("[]").split(":")]
    return all(code.is_integer() and -1 <= code < count for code in seen)


def check(content: bytes) -> None:
    """All that LightGBM would follow, linear trees too. Raises UnreadableModel for a file that it must not see."""
    with reading(FORMAT):
        text = lightgbm_text.parse(content)
        _check_head(text.head, len(text.starts))
        for _ in _parts(text.sections(), integer(text.head, "max_feature_idx") + 1, 1):
            pass


def categories_of(content: bytes) -> tuple[dict[int, Floats], categories.Listed]:
    """Feature → its categories, by code, where the file lists them: numbers, and text. Raises as `read`."""
    with reading(FORMAT):
        return _categories(lightgbm_text.parse(content), texts=True)


def title(objective: str) -> str:
    """What a model with this objective is called."""
    return f"LightGBM ({objective})" if objective else "LightGBM"


def output_names(objective: str, count: int, classes: list[object] | None = None) -> dict[str, list[str]]:
    """What a model with this many outputs can be asked for; `objective` as the file has it, e.g. `binary sigmoid:1`."""
    name = objective.split(" ", maxsplit=1)[0]
    if name in _CLASSES:
        names = class_names(count, classes)
        return {"margin": names, "probability": names}
    if name in _IDENTITY and "sqrt" not in objective:
        return {"prediction": ["prediction"]}
    names = ["margin"] if count == 1 else [str(index) for index in range(count)]
    return {"margin": names, "prediction": names}


def _about(head: Section, features: int, outputs: int) -> About:
    objective = head.get("objective", "")
    names = output_names(objective, outputs)
    return About(
        family="lightgbm",
        name=title(objective.split(" ")[0]),
        n_features=features,
        features=given_names(_words(head["feature_names"])),
        takes_missing=True,
        outputs=names,
        native=next(iter(names)),
    )


def _check_head(head: Section, trees: int) -> None:
    features, outputs = integer(head, "max_feature_idx") + 1, integer(head, "num_tree_per_iteration")
    for key in ("num_class", "label_index"):  # LightGBM takes no file without them
        integer(head, key)
    for key in ("feature_names", "feature_infos"):
        if len(_words(head[key])) != features:
            raise ValueError(f"{len(_words(head[key]))} {key} for {features} features")
    if outputs < 1 or not trees or trees % outputs:
        raise ValueError(f"{trees} trees, {outputs} a round")
    name, *parameters = head.get("objective", "").split(" ")
    if name.startswith("multiclass") and f"num_class:{outputs}" not in parameters:
        raise ValueError(f"{outputs} trees a round, and not one for each class")


def _words(text: str) -> list[str]:
    return [word for word in text.split(" ") if word]


def _link(objective: str, *parameters: str) -> Link:
    if objective in _LOGISTIC:
        slopes = [float(text.removeprefix("sigmoid:")) for text in parameters if text.startswith("sigmoid:")]
        return Link.LOGISTIC if slopes in ([], [1.0]) else Link.IDENTITY
    return Link.EXP if objective in _EXP else Link.SOFTMAX if objective == "multiclass" else Link.IDENTITY


def _parts(sections: Iterator[Section], features: int, rounds: int) -> Iterator[tuple[Part, bool]]:
    for index, section in enumerate(sections):
        try:
            yield _part(section, features, rounds)
        except ValueError as error:
            raise ValueError(f"tree {index}: {error}") from None


def _constant(parts: Iterator[tuple[Part, bool]]) -> Iterator[Part]:
    """Raises UnsupportedModel for a tree whose leaves are linear models."""
    for part, is_linear in parts:
        if is_linear:
            raise UnsupportedModel("LightGBM", "its leaves are linear models (linear_tree), and not constants")
        yield part


def _check_linear(tree: Section, leaves: int, features: int) -> None:
    """For each leaf how many features its model has, then all of these, and a coefficient each."""
    counts = _ints(tree, "num_features", leaves)
    total = int(counts.sum()) if (counts >= 0).all() else -1
    checks.check_finite("a value in leaf_const", _floats(tree, "leaf_const", leaves))
    checks.check_finite("a value in leaf_coeff", _floats(tree, "leaf_coeff", total))
    checks.check_range("a feature of a leaf", _ints(tree, "leaf_features", total), features)


def _part(tree: Section, features: int, rounds: int) -> tuple[Part, bool]:
    """A tree, and whether its leaves are linear models.

    Splits come first, then leaves: child c >= 0 is a split, child c < 0 is leaf -c - 1.
    """
    is_linear = "is_linear" in tree and bool(integer(tree, "is_linear"))
    leaves = integer(tree, "num_leaves")
    if leaves < 1:
        raise ValueError("it has no leaves")
    if is_linear:
        _check_linear(tree, leaves, features)
    splits = leaves - 1
    for key, fewer in _UNUSED_FLOATS:
        if tree.get(key, "").strip():
            checks.check_finite(f"a value in {key}", _floats(tree, key, leaves - fewer))
    values = _floats(tree, "leaf_value", leaves)
    checks.check_finite("a value in leaf_value", values)
    left, right, feature = _structure(tree, leaves, features)
    kind = _kinds(tree, splits)
    member = (kind & _CATEGORICAL) != 0
    threshold = _thresholds(tree, splits)
    starts, words, sets = _sets(tree, member, threshold)
    none = np.zeros(leaves)
    part = Part(
        left=left,
        right=right,
        feature=np.where(left == LEAF, 0, feature),
        threshold=np.concatenate([np.where(member, 0.0, _around_zero(threshold)), none]),
        missing=np.concatenate([_missing(kind, member), none]),
        cover=np.concatenate([_counts(tree, "internal_count", splits), _counts(tree, "leaf_count", leaves)]),
        values=np.concatenate([np.zeros(splits), values / rounds]).reshape(-1, 1),
        rule=np.concatenate([np.where(member, Rule.SET_GOES_LEFT, Rule.THRESHOLD), none]),
        set_start=np.concatenate([starts, none]),
        set_words=np.concatenate([words, none]),
        sets=sets,
    )
    return part, is_linear


def _structure(tree: Section, leaves: int, features: int) -> tuple[checks.Ints, checks.Ints, checks.Ints]:
    """Left and right children and features of all nodes, checked. Leaf l is written as child ~l."""
    splits = leaves - 1
    ends = np.full(leaves, LEAF, np.int64)
    sides = []
    for key in ("left_child", "right_child"):
        child = _ints(tree, key, splits)
        sides.append(np.where(child < 0, splits + ~child, np.where(child < splits, child, -2)))
    used = np.concatenate(sides)
    inside = used[(used >= 0) & (used < splits + leaves)]
    if np.count_nonzero(np.bincount(inside, minlength=1)) != splits + leaves - 1:
        raise checks.BadTree("a leaf with two parents, or none")
    left, right = (np.concatenate((side, ends)) for side in sides)
    feature = np.concatenate((_ints(tree, "split_feature", splits), ends))
    checks.check_tree(left, right, feature, features)
    return left, right, feature


def _kinds(tree: Section, splits: int) -> checks.Ints:
    """The bits of `decision_type`; none are set where the file leaves it out."""
    kind = _ints(tree, "decision_type", splits) if "decision_type" in tree else np.zeros(splits, np.int64)
    checks.check_range("a decision type", kind, _KINDS)
    return kind


def _thresholds(tree: Section, splits: int) -> Floats:
    """Infinite where only missing values go right."""
    found = _floats(tree, "threshold", splits)
    checks.check_finite("a value in threshold", np.where(np.isinf(found), 0.0, found))
    return found


def _around_zero(threshold: Floats) -> Floats:
    """LightGBM takes values up to ZERO_BOUND for zero before it compares them: the same in terms of what they are."""
    below = np.where(threshold < 0, np.nextafter(-ZERO_BOUND, -np.inf), ZERO_BOUND)
    return np.where(np.abs(threshold) <= ZERO_BOUND, below, threshold)


def _missing(kind: checks.Ints, member: np.ndarray) -> np.ndarray:
    treated = (kind >> 2) & 3
    if (treated > _MISSING_NAN).any():
        raise ValueError("an unknown missing type")
    left = (kind & _DEFAULT_LEFT) != 0
    of_nan = np.where(left, Missing.LEFT, Missing.RIGHT)
    of_zero = np.where(left, Missing.ZERO_TOO_LEFT, Missing.ZERO_TOO_RIGHT)
    found = np.where(treated == _MISSING_NONE, Missing.AS_ZERO, np.where(treated == _MISSING_ZERO, of_zero, of_nan))
    return np.where(member, Missing.RIGHT, found)


def _sets(tree: Section, member: np.ndarray, place: Floats) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For the splits on categories, whose threshold is the place of their set: first word, words, and all words."""
    starts, words = np.zeros(len(member)), np.zeros(len(member))
    count = integer(tree, "num_cat")
    if not member.any() and not count:
        return starts, words, np.zeros(0)
    bounds, sets = (np.array(integers(tree[key]), dtype=np.int64) for key in ("cat_boundaries", "cat_threshold"))
    if len(bounds) != count + 1 or bounds[0] != 0 or bounds[-1] != len(sets) or (np.diff(bounds) < 0).any():
        raise checks.BadTree("sets of categories that do not match")
    checks.check_finite("the place of a set of categories", place[member])
    which = place[member].astype(np.int64)
    checks.check_range("a set of categories", which, count)
    starts[member], words[member] = bounds[which], bounds[which + 1] - bounds[which]
    return starts, words, sets


def _counts(tree: Section, key: str, size: int) -> checks.Ints:
    """How many rows came by, or zeros where the file does not say."""
    return _ints(tree, key, size) if tree.get(key, "").strip() else np.zeros(size, np.int64)


def _ints(tree: Section, key: str, size: int) -> checks.Ints:
    return _sized(key, np.array(integers(_text(tree, key, size)), dtype=np.int64), size)


def _floats(tree: Section, key: str, size: int) -> Floats:
    """Numbers as LightGBM reads them; what Python would read differently (`1_0`, other alphabets) is refused."""
    text = _text(tree, key, size)
    if not re.fullmatch(r"[-+.0-9eEinfa ]*", text):
        raise checks.BadTree(f"not numbers: {text[:40]!r}")
    return _sized(key, np.array(text.split(), dtype=np.float64), size)


def _text(tree: Section, key: str, size: int) -> str:
    """A tree of one leaf may leave out what is said of splits."""
    return tree[key] if size else tree.get(key, "")


def _sized(key: str, found: np.ndarray, size: int) -> np.ndarray:
    if len(found) != size:
        raise checks.BadTree(f"{len(found)} values in {key} instead of {size}")
    return found
