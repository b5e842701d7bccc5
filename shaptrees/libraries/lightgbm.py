"""LightGBM's models: boosters, and estimators of its scikit-learn interface. It is not imported.

GPBoost's boosters are alike where they have no random effects.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from shaptrees.arrays import Floats
from shaptrees.ensemble import Ensemble
from shaptrees.errors import UnsupportedModel
from shaptrees.fitted import Fitted, loss_of
from shaptrees.libraries import comes_from
from shaptrees.readers import lightgbm
from shaptrees.rows import Reading

_CATEGORIES = re.compile(rb"^pandas_categorical:(.*)$", re.MULTILINE)


def takes(model: Any) -> bool:
    return comes_from(model, "lightgbm", "Booster", "LGBMModel") or comes_from(model, "gpboost", "Booster")


def fitted(model: Any) -> Fitted:
    booster = getattr(model, "booster_", model)
    if getattr(booster, "has_gp_model", False):
        raise UnsupportedModel("GPBoost", "it adds random effects to its trees")
    content = booster.model_to_string().encode()
    raw = "pred_latent" if comes_from(model, "gpboost", "Booster") else "raw_score"
    return of(
        lightgbm.read(content, codes=True),
        content,
        own=lambda x: booster.predict(x, **{raw: True}),
        classifier=hasattr(model, "predict_proba"),
    )


def of(
    ensemble: Ensemble, content: bytes, *, own: Callable[[Floats], Any] | None = None, classifier: bool = False
) -> Fitted:
    """The file says at its end which values the positions of categories stand for, in data frames."""
    found = _CATEGORIES.search(content)
    squared = ensemble.about.name == lightgbm.title("regression")
    return Fitted(
        trees=ensemble.trees,
        reading=Reading(categories=json.loads(found[1]) or [] if found else []),
        own=own,
        loss="squared_error" if squared else loss_of(ensemble.trees.link),
        classifier=classifier,
    )
