"""XGBoost's own reading of its models: every tree checked first, then loaded by XGBoost with one thread.

Used in templates, for models that are asked row by row (gblinear, sampling explainers), and where an operator's file
holds a wrapper.
"""

import json
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import xgboost as xgb

from child import memory
from child.models.model import Model, Output, Rows, as_columns, on_codes
from child.rows.features import closed_words, listed_numbers
from jobs.errors import UnreadableModel, UnsupportedModel
from shaptrees.arrays import Trees
from shaptrees.readers import xgboost, xgboost_head
from shaptrees.readers.faults import reason_of
from shaptrees.readers.names import given_names

RELATIVE_ERROR = 2e-5
"""XGBoost adds up its trees in float32: at most 6e-8 of the sum of magnitudes a tree, so this covers 300 trees whose
errors all point one way, and far more trees in practice."""


def load(file: BinaryIO) -> Model:
    """Raises UnreadableModel and UnsupportedModel."""
    raw = file.read()
    return replace(describe(booster(raw)), warnings=xgboost.check(raw))


def booster(raw: bytes) -> xgb.Booster:
    """Checked first. Raises UnreadableModel."""
    xgboost.check(raw)
    try:
        found = xgb.Booster({"nthread": 1})
        found.load_model(bytearray(xgboost.completed(raw)))
    except (ValueError, xgb.core.XGBoostError) as error:
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=xgboost.file_format(raw), reason=reason_of(error)) from None
    return found


def describe(booster: xgb.Booster, classes: Any = None) -> Model:
    """A loaded booster as a Model; `classes` where a wrapper knows its labels. Raises UnsupportedModel."""
    booster.set_param({"nthread": 1})
    learner = json.loads(booster.save_config())["learner"]
    objective = learner["objective"]["name"]
    if booster.num_features() < 1:
        raise UnsupportedModel(model="XGBoost", reason="it has no features")
    numbers, texts = _categories(booster)
    return Model(
        family="xgboost",
        name=f"XGBoost ({objective})",
        estimator=booster,
        n_features=booster.num_features(),
        features=given_names(booster.feature_names),
        outputs=_outputs(booster, objective, classes, numbers),
        takes_missing=True,
        relative_error=RELATIVE_ERROR,
        trees=partial(_trees, booster),
        words=closed_words(texts, "xgboost"),
        numbers=listed_numbers(numbers, "xgboost"),
    )


def _categories(booster: xgb.Booster) -> tuple[dict[int, Rows], dict[int, list[Any]]]:
    """Feature → its categories by code, where it lists them: numbers, and text."""
    if "c" not in (booster.feature_types or ()):
        return {}, {}
    return xgboost.categories_of(bytes(booster.save_raw("ubj")))


def _trees(booster: xgb.Booster) -> Trees:
    """Whatever the objective: they are compared with the model before they are used."""
    return xgboost.read(bytes(booster.save_raw("ubj")), any_objective=True, texts=True).trees


def matrix(booster: xgb.Booster, rows: Rows) -> xgb.DMatrix:
    """Rows as XGBoost wants them, categories as their codes, with one thread."""
    kinds = booster.feature_types
    coded = "c" in (kinds or ())
    names = booster.feature_names
    return xgb.DMatrix(rows, nthread=1, feature_names=names, feature_types=kinds, enable_categorical=coded)


def rounds(booster: xgb.Booster) -> int:
    """The boosting rounds that are explained: those up to the best one where training stopped early."""
    best = booster.attr("best_iteration")
    return booster.num_boosted_rounds() if best is None else int(best) + 1


def is_linear(booster: xgb.Booster) -> bool:
    return bool(json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear")


def line(model: Model) -> tuple[Rows, Rows] | None:
    """Coefficients (outputs, features) and intercepts (outputs,) of a gblinear's margin, or of one output (features,)
    and a number; None for trees.
    """
    booster = model.estimator
    if not is_linear(booster):
        return None
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    weights = np.reshape(learner["gradient_booster"]["model"]["weights"], (model.n_features + 1, -1))[:-1]
    key = "margin" if "margin" in model.outputs else "prediction"
    intercepts = model.outputs[key].call(np.zeros((1, model.n_features)))[0]
    return (weights[:, 0], intercepts[0]) if weights.shape[1] == 1 else (weights.T, intercepts)


def _outputs(booster: xgb.Booster, objective: str, classes: Any, known: dict[int, Rows]) -> dict[str, Output]:
    used = (0, 0) if is_linear(booster) else (0, rounds(booster))

    def margin(rows: Rows) -> Rows:
        return as_columns(booster.predict(matrix(booster, rows), output_margin=True, iteration_range=used))

    def prediction(rows: Rows) -> Rows:
        return as_columns(booster.predict(matrix(booster, rows), iteration_range=used))

    def probability(rows: Rows) -> Rows:
        from scipy.special import expit, softmax

        return as_columns(expit(margin(rows)) if objective in xgboost_head.LOGISTIC else softmax(margin(rows), axis=1))

    count = margin(np.zeros((1, booster.num_features()))).shape[1]
    calls = {"margin": margin, "probability": probability, "prediction": prediction}
    if objective in xgboost_head.IDENTITY:
        calls["prediction"] = margin
    names = xgboost_head.output_names(objective, count, classes)
    return {key: Output(call=on_codes(calls[key], known), names=found) for key, found in names.items()}
