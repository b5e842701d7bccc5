"""LightGBM's own reading of its models: every tree checked first, then loaded by LightGBM with one thread.

Used in templates, for models that are asked row by row (sampling explainers), and where an operator's file holds a
wrapper.
"""

import re
from functools import partial
from typing import Any, BinaryIO

import lightgbm as lgb

from child import memory
from child.models.model import Model, Output, Rows, as_columns, on_codes
from child.rows.features import closed_words, listed_numbers
from jobs.errors import UnreadableModel, UnsupportedModel
from jobs.formats import ModelFormat
from shaptrees.arrays import Trees
from shaptrees.readers import lightgbm
from shaptrees.readers.lightgbm_text import normalized
from shaptrees.readers.names import given_names


def load(file: BinaryIO) -> Model:
    """Raises UnreadableModel and UnsupportedModel."""
    return describe(booster(file.read()))


def booster(raw: bytes) -> lgb.Booster:
    """Checked first. Raises UnreadableModel."""
    lightgbm.check(raw)
    try:
        # Without tree_sizes LightGBM reads the trees one after the other, as they were checked.
        return lgb.Booster(model_str=re.sub(r"(?m)^tree_sizes=.*\n", "", normalized(raw), count=1))
    except (ValueError, lgb.basic.LightGBMError) as error:
        if memory.is_out_of_memory(error):
            raise
        raise UnreadableModel(format=ModelFormat.LIGHTGBM_TEXT, reason=str(error)[:300]) from None


def describe(booster: lgb.Booster, classes: Any = None) -> Model:
    """A loaded booster as a Model; `classes` where a wrapper knows its labels. Raises UnsupportedModel."""
    lgb.basic._LIB.LGBM_SetMaxThreads(1)  # type: ignore[attr-defined]
    objective, mean = _said(booster)
    if not booster.num_trees():
        raise UnsupportedModel(model="LightGBM", reason="it has no trees")
    numbers, texts = _categories(booster)
    return Model(
        family="lightgbm",
        name=lightgbm.title(objective.split(" ")[0]),
        estimator=booster,
        n_features=booster.num_feature(),
        features=given_names(booster.feature_name()),
        outputs=_outputs(booster, objective, classes, numbers, mean=mean),
        takes_missing=True,
        trees=partial(_trees, booster),
        words=closed_words(texts, "lightgbm"),
        numbers=listed_numbers(numbers, "lightgbm"),
    )


def _categories(booster: lgb.Booster) -> tuple[dict[int, Rows], dict[int, list[Any]]]:
    """Feature → its categories by code, where it lists them: numbers, and text."""
    return lightgbm.categories_of(booster.model_to_string().encode()) if booster.pandas_categorical else ({}, {})


def _trees(booster: lgb.Booster) -> Trees:
    return lightgbm.read(booster.model_to_string().encode(), texts=True).trees


def _said(booster: lgb.Booster) -> tuple[str, bool]:
    """The objective as the file has it, e.g. `binary sigmoid:1`, and whether trees are averaged."""
    text = booster.model_to_string(num_iteration=1).partition("\nTree=")[0]
    found = re.search(r"(?m)^objective=(.*)$", text)
    return found[1].strip() if found else "", bool(re.search(r"(?m)^average_output$", text))


def _outputs(
    booster: lgb.Booster, objective: str, classes: Any, known: dict[int, Rows], *, mean: bool
) -> dict[str, Output]:
    count = booster.num_model_per_iteration()
    rounds = booster.num_trees() // count if mean else 1  # LightGBM averages in predictions, not in raw scores

    def margin(rows: Any) -> Any:
        return as_columns(booster.predict(rows, raw_score=True, num_threads=1)) / rounds

    def prediction(rows: Any) -> Any:
        return as_columns(booster.predict(rows, num_threads=1))

    names = lightgbm.output_names(objective, count, classes)
    calls = {"margin": margin, "probability": prediction, "prediction": prediction if "margin" in names else margin}
    return {key: Output(call=on_codes(calls[key], known), names=found) for key, found in names.items()}
