"""Any model, as what the service takes: saved in the format of its own library that keeps most. Never a pickle.

Runs in the caller's process; a library is imported only where its model has imported it already. To take another
library is to add a function and a row to `_SAVERS`. Does not predict: see `expected`.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shap_supervisor.errors import CannotSave, NotInstalled
from shap_supervisor.multipart import Part, field, is_url, whole

PIECE_BYTES = 64 * 1024
WAY_OUT = (
    "Pass a fitted scikit-learn estimator or pipeline, an XGBoost, LightGBM or CatBoost model, the path or the bytes "
    "of a file that one of them has saved, or the name of a registered model"
)


@dataclass(frozen=True)
class Saved:
    """The model's part of an upload, and what is known of the model here."""

    part: Part
    library: str = ""
    """Whose it is: xgboost, lightgbm, catboost, sklearn; empty where it is a file or a name."""
    features: list[str] | None = None
    """Its own names of its features; None where it has none, or nobody knows."""


def saved(model: Any) -> Saved:
    """Raises CannotSave, NotInstalled, and OSError for a file that cannot be read."""
    if isinstance(model, bytes | bytearray | memoryview):
        return Saved(whole("model", bytes(model)))
    if is_url(model):
        return Saved(field("model_url", model))
    if isinstance(model, os.PathLike) or (isinstance(model, str) and Path(model).is_file()):
        return Saved(of_file("model", Path(model)))
    if isinstance(model, str):
        return Saved(field("model_id", model))
    library = library_of(model)
    if library is None:
        raise CannotSave(f"{type(model)} cannot be saved without a pickle. {WAY_OUT}.", "cannot_save")
    content, features = _SAVERS[library](model)
    names = None if features is None else [str(name) for name in features]
    return Saved(whole("model", content), library, names)


def library_of(model: Any) -> str | None:
    """By the class or what it is derived from: XGBoost's estimators are scikit-learn's, too."""
    roots = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    return next((name for name in _SAVERS if name in roots), None)


def of_file(name: str, path: Path) -> Part:
    """A file as a part, read while it is sent."""

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as opened:
            while piece := opened.read(PIECE_BYTES):
                yield piece

    return Part(name, pieces, path.stat().st_size)


def _xgboost(model: Any) -> tuple[bytes, Any]:
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if not hasattr(booster, "save_raw"):
        raise CannotSave(f"{type(model)} is no model of XGBoost. {WAY_OUT}.", "cannot_save")
    return bytes(booster.save_raw("ubj")), booster.feature_names


def _lightgbm(model: Any) -> tuple[bytes, Any]:
    booster = getattr(model, "booster_", model)
    if not hasattr(booster, "model_to_string"):
        raise CannotSave(f"{type(model)} is no model of LightGBM. {WAY_OUT}.", "cannot_save")
    names = booster.feature_name()
    unnamed = names == [f"Column_{place}" for place in range(len(names))]
    return booster.model_to_string().encode(), None if unnamed else names


def _catboost(model: Any) -> tuple[bytes, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path), format="cbm")
        names = model.feature_names_
        unnamed = names == [str(place) for place in range(len(names))]
        return path.read_bytes(), None if unnamed else names


def _sklearn(model: Any) -> tuple[bytes, Any]:
    try:
        import skops.io
    except ImportError:
        raise NotInstalled(
            f"{type(model).__name__} is sent as a skops file, and skops is not installed here: pip install skops",
            "not_installed",
        ) from None
    return skops.io.dumps(model), getattr(model, "feature_names_in_", None)


_SAVERS: dict[str, Callable[[Any], tuple[bytes, Any]]] = {
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "catboost": _catboost,
    "sklearn": _sklearn,
}
