"""Plain arrays from a LightGBM model file (text). Runs in templates; no LightGBM is needed.

Does not read linear trees: their leaves are not constants.
"""

from collections.abc import Iterator

import numpy as np

from jobs.errors import UnreadableModel, UnsupportedModel
from shaptrees.arrays import LEAF, ZERO_BOUND, Floats, Link, Missing, Rule, Trees
from shaptrees.build import Part, assemble

FORMAT = "LightGBM"
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2
_LOGISTIC = ("binary", "cross_entropy", "xentropy", "multiclassova")
_EXP = ("poisson", "gamma", "tweedie")
Section = dict[str, str]


def from_lightgbm(content: bytes) -> Trees:
    """The arrays of a saved model. Raises UnreadableModel for a broken file, UnsupportedModel for linear trees."""
    try:
        head, *trees = _sections(content.decode("utf-8"))
        return _read(head, trees)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as fault:
        raise UnreadableModel(format=FORMAT, reason=f"{type(fault).__name__}: {fault}") from fault


def _sections(text: str) -> Iterator[Section]:
    """The head, then one section a tree: lines `key=value`, or a bare key."""
    section: Section = {}
    for line in text.splitlines():
        if line.strip() == "end of trees":
            break
        key, _, value = line.partition("=")
        if key == "Tree":
            yield section
            section = {}
        elif key:
            section[key] = value
    yield section


def _read(head: Section, trees: list[Section]) -> Trees:
    outputs = int(head["num_tree_per_iteration"])
    if outputs < 1 or len(trees) % outputs:
        raise ValueError(f"{len(trees)} trees for {outputs} outputs")
    rounds = len(trees) // outputs if "average_output" in head else 1
    return assemble(
        (_tree(tree, rounds) for tree in trees),
        output=np.arange(len(trees)) % outputs,
        base=np.zeros(outputs),
        features=int(head["max_feature_idx"]) + 1,
        link=_link(*head.get("objective", "").split(" ")),
    )


def _link(objective: str, *parameters: str) -> Link:
    if objective in _LOGISTIC:
        slopes = [float(text.removeprefix("sigmoid:")) for text in parameters if text.startswith("sigmoid:")]
        return Link.LOGISTIC if slopes in ([], [1.0]) else Link.IDENTITY
    return Link.EXP if objective in _EXP else Link.SOFTMAX if objective == "multiclass" else Link.IDENTITY


def _numbers(tree: Section, key: str, count: int, default: float | None = None) -> Floats:
    if default is not None and key not in tree:
        return np.full(count, default)
    found = np.array(tree[key].split(), dtype=np.float64)
    if len(found) != count:
        raise ValueError(f"{key} has {len(found)} entries, not {count}")
    return found


def _tree(tree: Section, rounds: int) -> Part:
    """Splits come first, then leaves: child c >= 0 is a split, child c < 0 is leaf -c - 1."""
    if tree.get("is_linear", "0").strip() == "1":
        raise UnsupportedModel(model="LightGBM", reason="its leaves hold linear models (linear_tree)")
    leaves = int(tree["num_leaves"])
    if leaves < 1:
        raise ValueError("a tree without leaves")
    splits = leaves - 1
    kind = _numbers(tree, "decision_type", splits, 0).astype(np.int64)
    member = (kind & _CATEGORICAL) != 0
    threshold = _numbers(tree, "threshold", splits, 0)
    starts, words, sets = _sets(tree, member, threshold)
    none, zero = np.zeros(leaves), np.full(leaves, LEAF)
    children = {}
    for side in ("left", "right"):
        child = _numbers(tree, f"{side}_child", splits, 0).astype(np.int64)
        children[side] = np.concatenate([np.where(child < 0, splits - child - 1, child), zero])
    covers = [_numbers(tree, "internal_count", splits, 0), _numbers(tree, "leaf_count", leaves, 0)]
    return Part(
        left=children["left"],
        right=children["right"],
        feature=np.concatenate([_numbers(tree, "split_feature", splits, 0).astype(np.int64), none]),
        threshold=np.concatenate([np.where(member, 0.0, _around_zero(threshold)), none]),
        missing=np.concatenate([_missing(kind, member), none]),
        cover=np.concatenate(covers),
        values=np.concatenate([np.zeros(splits), _numbers(tree, "leaf_value", leaves) / rounds]).reshape(-1, 1),
        rule=np.concatenate([np.where(member, Rule.SET_GOES_LEFT, Rule.THRESHOLD), none]),
        set_start=np.concatenate([starts, none]),
        set_words=np.concatenate([words, none]),
        sets=sets,
    )


def _around_zero(threshold: Floats) -> Floats:
    """LightGBM takes values up to ZERO_BOUND for zero before it compares them: the same in terms of what they are."""
    below = np.where(threshold < 0, np.nextafter(-ZERO_BOUND, -np.inf), ZERO_BOUND)
    return np.where(np.abs(threshold) <= ZERO_BOUND, below, threshold)


def _missing(kind: np.ndarray, member: np.ndarray) -> np.ndarray:
    way = (kind >> 2) & 3
    if (way > _MISSING_NAN).any():
        raise ValueError("an unknown missing type")
    left = (kind & _DEFAULT_LEFT) != 0
    of_nan = np.where(left, Missing.LEFT, Missing.RIGHT)
    of_zero = np.where(left, Missing.ZERO_TOO_LEFT, Missing.ZERO_TOO_RIGHT)
    found = np.where(way == _MISSING_NONE, Missing.AS_ZERO, np.where(way == _MISSING_ZERO, of_zero, of_nan))
    return np.where(member, Missing.RIGHT, found)


def _sets(tree: Section, member: np.ndarray, place: Floats) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For the splits on categories, whose threshold is the place of their set: first word, words, and all words."""
    starts, words = np.zeros(len(member)), np.zeros(len(member))
    if not member.any():
        return starts, words, np.zeros(0)
    bounds = np.array(tree["cat_boundaries"].split(), dtype=np.int64)
    sets = np.array(tree["cat_threshold"].split(), dtype=np.int64)
    which = place[member].astype(np.int64)
    if (which < 0).any() or (which + 1 >= len(bounds)).any() or (np.diff(bounds) < 0).any():
        raise ValueError("a split names a set that is not there")
    starts[member], words[member] = bounds[which], bounds[which + 1] - bounds[which]
    return starts, words, sets
