"""CatBoost's own reading of its binary files, with one thread; the only reader there is of them here.

Used in full templates. CatBoost is an optional extra, imported when a model of its kind comes. Categories are for
`catboost_words`; models with text or embedding features are not covered. CatBoost verifies the file's structure; a file
that takes the library down all the same takes its template down, which is a named cause.
"""

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from child import memory
from child.models import catboost_words
from child.models.model import Model, Output, Rows, output
from jobs.errors import MissingExtra, UnreadableModel, UnsupportedModel
from jobs.formats import ModelFormat
from shaptrees.readers.names import class_names

FAMILY = "catboost"
HEAD_BYTES = 8
"""The magic, and the length of what follows as 32 bits; parts of other lengths may come after it."""
RELATIVE_ERROR = 1e-9
"""Leaves and sums are in double precision."""
_LOG_LINK = ("Poisson", "Tweedie", "LogLinQuantile")
NO_MISSING = ", and CatBoost takes none there: write what stood there in training, such as the word that `fillna` put"
_OTHER_FEATURES = ("text", "embedding")


def load(file: BinaryIO) -> Model:
    """Raises MissingExtra, UnreadableModel and UnsupportedModel."""
    return describe(_loaded(file.read()))


def estimator(raw: bytes) -> Any:
    """As scikit-learn knows it: a classifier where it has classes, else a regressor. Raises as `load`."""
    found = _loaded(raw)
    import catboost

    kind = catboost.CatBoostClassifier if len(found.classes_) else catboost.CatBoostRegressor
    return kind().load_model(blob=raw)


def _loaded(raw: bytes) -> Any:
    _check_length(raw)
    try:
        import catboost
    except ImportError as error:
        if memory.is_out_of_memory(error):
            raise
        raise MissingExtra(model="A CatBoost model", extra=ModelFormat.CATBOOST.extra) from None
    booster = catboost.CatBoost()
    try:
        booster.load_model(blob=raw)
    except (catboost.CatBoostError, ValueError) as error:
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=ModelFormat.CATBOOST, reason=str(error)[:300]) from None
    return booster


def describe(booster: Any) -> Model:
    """A loaded booster as a Model. Raises UnsupportedModel."""
    for kind in _OTHER_FEATURES:
        if getattr(booster, f"get_{kind}_feature_indices")():
            reason = f"it has {kind} features; only numeric and categorical ones are supported"
            raise UnsupportedModel(model="CatBoost", reason=reason)
    names = [str(name) for name in booster.feature_names_]
    if not names or not booster.tree_count_:
        raise UnsupportedModel(model="CatBoost", reason="it has no features" if not names else "it has no trees")
    loss, words = _loss(booster), _categories(booster, len(names))
    return Model(
        family=FAMILY,
        name=f"CatBoost ({loss})" if loss else "CatBoost",
        estimator=booster,
        n_features=len(names),
        features=None if names == [str(index) for index in range(len(names))] else names,
        outputs=_outputs(booster, loss, len(names), words),
        takes_missing=_takes_missing(booster, len(names), words),
        relative_error=RELATIVE_ERROR,
        words=words,
    )


def pool(rows: Rows, words: Mapping[int, Any]) -> Any:
    """Rows as CatBoost wants them, with one thread. Raises ValueError for a category that is missing."""
    import catboost

    if not words:
        return catboost.Pool(np.ascontiguousarray(rows), thread_count=1)
    mixed = rows.astype(object)
    for place, own in words.items():
        if np.isnan(rows[:, place]).any():
            raise ValueError(f"a category of {own.name} is missing{NO_MISSING}")
        mixed[:, place] = own.cells(rows[:, place])
    return catboost.Pool(mixed, cat_features=list(words), thread_count=1)


def _categories(booster: Any, width: int) -> dict[int, Any]:
    import catboost

    def ask(rows: Any) -> Any:
        asked = catboost.Pool(rows, cat_features=booster.get_cat_feature_indices(), thread_count=1)
        return booster.predict(asked, prediction_type="RawFormulaVal", thread_count=1)

    return catboost_words.of(booster, width, ask)


def _check_length(raw: bytes) -> None:
    core = int.from_bytes(raw[4:HEAD_BYTES], "little")
    if len(raw) < HEAD_BYTES or len(raw) - HEAD_BYTES < core:
        reason = f"the file is truncated: {len(raw)} bytes instead of at least {HEAD_BYTES + core}"
        raise UnreadableModel(format=ModelFormat.CATBOOST, reason=reason)


def _loss(booster: Any) -> str:
    """The loss it was trained with, e.g. `RMSE`; empty where the file does not say."""
    found = booster.get_params().get("loss_function") or _trained_with(booster).get("loss_function") or ""
    return str(found).partition(":")[0]


def _trained_with(booster: Any) -> dict[str, Any]:
    """A sum of models (`sum_models`) has no parameters of its own; it may know what all of them were trained for."""
    import catboost

    try:
        return dict(booster.get_all_params())
    except catboost.CatBoostError:
        said = booster.get_metadata().get("loss_function", "")
        return {"loss_function": json.loads(said).get("type")} if said.startswith("{") else {}


def _asked_once(margin: Output, n_features: int) -> int:
    """The outputs of one row. Raises UnreadableModel where a damaged model cannot be asked at all."""
    import catboost

    try:
        return int(margin.call(np.zeros((1, n_features))).shape[1])
    except catboost.CatBoostError as error:
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=ModelFormat.CATBOOST, reason=str(error)[:300]) from None


def _outputs(booster: Any, loss: str, n_features: int, words: Mapping[int, Any]) -> dict[str, Output]:
    def ask(kind: str) -> Any:
        return lambda rows: booster.predict(pool(rows, words), prediction_type=kind, thread_count=1)

    margin = ask("RawFormulaVal")
    count = _asked_once(output(margin, []), n_features)
    classes = list(booster.classes_)
    if classes:
        names, probability = class_names(count, classes), ask("Probability")
        last = (lambda rows: probability(rows)[:, 1:]) if count == 1 else probability  # that of the positive class
        return {"margin": output(margin, names), "probability": output(last, names)}
    if loss in _LOG_LINK:
        return {"margin": output(margin, ["margin"]), "prediction": output(ask("Exponent"), ["prediction"])}
    names = ["prediction"] if count == 1 else [str(index) for index in range(count)]
    return {"prediction": output(margin, names)}


def _takes_missing(booster: Any, n_features: int, words: Mapping[int, Any]) -> bool:
    """Asked with a row of no other numbers: CatBoost refuses where training was told to forbid missing values."""
    import catboost

    row = np.full((1, n_features), np.nan)
    row[:, list(words)] = 0.0
    try:
        asked = booster.predict(pool(row, words), "RawFormulaVal", thread_count=1)
        return not np.isnan(asked).any()
    except catboost.CatBoostError:
        return False
