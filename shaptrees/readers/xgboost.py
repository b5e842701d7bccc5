"""XGBoost's saved models, JSON or UBJSON, parsed and checked in one place. No XGBoost is needed.

XGBoost adds up its trees in float32: the arrays predict in double precision what it predicts in single. Where
training stopped early, trees after the best round are checked and left out. Does not read gblinear.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.build import Part, assemble
from shaptrees.ensemble import Ensemble
from shaptrees.errors import UnsupportedModel
from shaptrees.readers import xgboost_categories, xgboost_document, xgboost_head, xgboost_tree
from shaptrees.readers.categories import Listed
from shaptrees.readers.checks import integers
from shaptrees.readers.faults import reading
from shaptrees.rules import ALL_OUTPUTS, LEAF


def read(content: bytes, *, codes: bool = False, texts: bool = False, any_objective: bool = False) -> Ensemble:
    """The trees of a saved model, and what it says of itself.

    A file of XGBoost 3.1 or newer may list its categories: rows hold those, or with `codes` their places in these
    lists, as rows of any older model do; with `texts` rows hold codes for those that are text (`About.texts`). Where an
    objective is not known here, neither is what its base score means: `any_objective` takes it for a margin, for those
    who compare the trees with the model afterwards.

    Raises UnreadableModel for a broken file; UnsupportedModel for gblinear, such an objective, and categories that are
    text.
    """
    with reading(file_format(content)):
        learner = _checked(content)
        objective = xgboost_head.objective(learner)
        if learner["gradient_booster"]["name"] == "gblinear":
            raise UnsupportedModel("XGBoost", "gblinear has no trees")
        if objective not in xgboost_head.KNOWN and not any_objective:
            raise UnsupportedModel("XGBoost", f"only XGBoost knows what its objective {objective} starts from")
        return _ensemble(learner, codes=codes, texts=texts)


def check(content: bytes) -> tuple[tuple[str, str], ...]:
    """All that XGBoost would follow, gblinear too; returns `About.warnings`, which the booster would not keep.

    Raises UnreadableModel for a file that it must not see.
    """
    with reading(file_format(content)):
        learner = _checked(content)
        if learner["gradient_booster"]["name"] != "gblinear":
            xgboost_categories.lists(learner)
            for _ in _parts(learner):
                pass
            _check_statistics(learner)
        return tuple(xgboost_head.warnings(learner))


def _check_statistics(learner: dict[str, Any]) -> None:
    """Up to 3.0 trees with vectors did not keep them; newer versions of XGBoost crash without."""
    trees = xgboost_document.forest(learner)["trees"]
    if len(trees) and "sum_hessian" not in trees[0]:
        reason = (
            "its trees with vectors were saved by an XGBoost before 3.1, which newer ones cannot read: send a "
            "background, with which its trees are explained without it, or save it again with XGBoost 3.1"
        )
        raise UnsupportedModel("XGBoost", reason)


def completed(content: bytes) -> bytes:
    """A checked file as XGBoost reads it right: JSON before 1.4 lacks num_parallel_tree, which it takes for 1, and it
    takes some base scores of old files for margins.
    """
    learner = _checked(content)
    model = xgboost_document.forest(learner)
    if _base_is_misread(learner):
        said = b'"base_score":"%r"' % float(xgboost_head.base(learner)[0])
        content = re.sub(rb'"base_score"\s*:\s*"[^"]*"', said, content, count=1)
    if learner["gradient_booster"]["name"] == "gblinear" or "iteration_indptr" in model or not _stopped(learner):
        return content
    if "num_parallel_tree" in model["gbtree_model_param"] or xgboost_document.is_ubjson(content):
        return content
    said = b'"num_parallel_tree":"%d","num_trees"' % xgboost_head.parallel_trees(learner)[0]
    return re.sub(rb'"num_trees"(?=\s*:)', said, content, count=1)


def _base_is_misread(learner: dict[str, Any]) -> bool:
    """Of gblinear before 1.5, and of binary:logitraw before 1.3."""
    is_old_linear = learner["gradient_booster"]["name"] == "gblinear" and () < learner["saved_by"] < (1, 5)
    return is_old_linear or xgboost_head.is_old_logitraw(learner)


def _stopped(learner: dict[str, Any]) -> bool:
    return "best_iteration" in learner.get("attributes", {})


def categories_of(content: bytes) -> tuple[dict[int, Floats], Listed]:
    """Feature → its categories, by code, where the file lists them: numbers, and text. Raises as `read`."""
    with reading(file_format(content)):
        return xgboost_categories.read(_checked(content), texts=True)


def columns_of_categories(content: bytes) -> list[list[Any] | None]:
    """Of each feature of categories, in order, its values by code; None where the file has none. Raises as `read`."""
    with reading(file_format(content)):
        learner = _checked(content)
        known = xgboost_categories.lists(learner) or [[]] * xgboost_head.features(learner)
        kinds = learner.get("feature_types") or []
        return [values or None for values, kind in zip(known, kinds, strict=False) if kind == "c"]


def file_format(content: bytes) -> str:
    """`xgboost-json` or `xgboost-ubj`."""
    return "xgboost-ubj" if xgboost_document.is_ubjson(content) else "xgboost-json"


def _checked(content: bytes) -> dict[str, Any]:
    learner = xgboost_document.parse(content)
    xgboost_head.check(learner)
    return learner


def _ensemble(learner: dict[str, Any], *, codes: bool, texts: bool) -> Ensemble:
    numbers, named = ({}, {}) if codes else xgboost_categories.read(learner, texts=texts)
    about = replace(xgboost_head.about(learner), texts=named)
    count = _used(learner)
    trees = assemble(
        _used_parts(learner, count),
        output=_outputs(learner)[:count] if count else 0,
        base=xgboost_head.base(learner),
        features=about.n_features,
        strict=True,
        float32=True,
        link=xgboost_head.link(xgboost_head.objective(learner)),
        categories=numbers,
    )
    return Ensemble(about=about, trees=trees)


def _outputs(learner: dict[str, Any]) -> Any:
    """(trees,): which output each one adds to. One whose leaves hold a vector adds to all."""
    forest = xgboost_document.forest(learner)
    if len(forest["trees"]) and xgboost_tree.width(forest["trees"][0]) > 1:
        return np.full(len(forest["trees"]), ALL_OUTPUTS)
    return integers(forest["tree_info"])


def _used(learner: dict[str, Any]) -> int:
    """How many trees, of those there are, belong to the rounds up to the best one."""
    model = xgboost_document.forest(learner)
    best, total = learner.get("attributes", {}).get("best_iteration"), len(model["trees"])
    if best is None or not total:
        return total
    if "iteration_indptr" in model:
        return int(model["iteration_indptr"][int(best) + 1])
    parallel = xgboost_head.parallel_trees(learner)[0]
    return min(total, parallel * (int(max(integers(model["tree_info"]))) + 1) * (int(best) + 1))


def _used_parts(learner: dict[str, Any], count: int) -> Iterator[Part]:
    """Those up to the best round; the others are checked all the same. A model without trees predicts its base."""
    for index, part in enumerate(_parts(learner)):
        if index < count:
            yield part
    if not count:
        zero = np.zeros(1)
        leaf, value = [LEAF], zero.reshape(1, 1)
        yield Part(left=leaf, right=leaf, feature=zero, threshold=zero, missing=zero, cover=zero, values=value)


def _parts(learner: dict[str, Any]) -> Iterator[Part]:
    forest, weights = xgboost_document.forest(learner), _weights(learner)
    for index in range(len(forest["trees"])):
        part = xgboost_tree.read(forest["trees"][index], index, xgboost_head.features(learner))
        if weights is not None:
            part.values = part.values * np.float64(weights[index])
        yield part


def _weights(learner: dict[str, Any]) -> Any:
    """Of the trees, where dropout weighs them: beside the trees or, since XGBoost 3.4, among them; or None."""
    booster = learner["gradient_booster"]
    if booster["name"] == "dart":
        return booster["weight_drop"]
    among = booster["model"].get("weight_drop", ())
    return among if len(among) else None
