"""One library a class: how its models are told, written, read back and asked. To take another library is to add one.

`ask` gives (rows,) or (rows, outputs); the same call for the model and for what was read back.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from .problem import Unconvertible

SAFE_ROOTS = ("sklearn", "numpy", "scipy", "xgboost", "lightgbm", "catboost", "builtins", "collections", "functools")
"""Whose types in a skops file are no surprise to the service; its own list decides."""


class Xgboost:
    """A Booster, which scikit-learn's wrappers hold."""

    name, endings = "XGBoost", {".json": "XGBoost JSON", ".ubj": "XGBoost UBJSON"}

    def bare(self, model: Any, notes: list[str]) -> Any:
        """What is written of it. Raises Unconvertible."""
        _note_classes(model, notes)
        if callable(getattr(model, "objective", None)):
            notes.append("its objective is a function of yours, which no file keeps: its margins are explained")
        return _fitted(model.get_booster) if hasattr(model, "get_booster") else model

    def write(self, model: Any, path: str) -> None:
        model.save_model(path)

    def read(self, path: str) -> Any:
        import xgboost

        return xgboost.Booster(model_file=path)

    def ask(self, model: Any, rows: Any) -> Any:
        import xgboost

        kinds = getattr(model, "feature_types", None)
        coded = {"enable_categorical": True} if "c" in (kinds or ()) else {}
        if hasattr(rows, "columns"):
            return model.predict(xgboost.DMatrix(rows, **coded), output_margin=True)
        named = {"feature_names": model.feature_names, "feature_types": kinds}
        return model.predict(xgboost.DMatrix(rows, **named, **coded), output_margin=True)

    def features(self, model: Any) -> Any:
        return model.feature_names


class Lightgbm:
    """A Booster, which scikit-learn's wrappers hold."""

    name, endings = "LightGBM", {".txt": "LightGBM text"}

    def bare(self, model: Any, notes: list[str]) -> Any:
        """What is written of it. Raises Unconvertible."""
        _note_classes(model, notes)
        return _fitted(lambda: model.booster_) if hasattr(model, "_Booster") else model

    def write(self, model: Any, path: str) -> None:
        model.save_model(path)

    def read(self, path: str) -> Any:
        import lightgbm

        return lightgbm.Booster(model_file=path)

    def ask(self, model: Any, rows: Any) -> Any:
        return model.predict(rows, raw_score=True)

    def features(self, model: Any) -> Any:
        names = model.feature_name()
        return None if names == [f"Column_{place}" for place in range(len(names))] else names


class Catboost:
    """Its own estimators, which keep their classes in the file."""

    name, endings = "CatBoost", {".cbm": "CatBoost CBM"}

    def bare(self, model: Any, notes: list[str]) -> Any:  # noqa: ARG002
        """What is written of it. Raises Unconvertible."""
        if not model.is_fitted():
            raise Unconvertible("it is not fitted: save it after `fit`.")
        return model

    def write(self, model: Any, path: str) -> None:
        model.save_model(path, format="cbm")

    def read(self, path: str) -> Any:
        import catboost

        return catboost.CatBoost().load_model(path)

    def ask(self, model: Any, rows: Any) -> Any:
        import catboost

        pool = catboost.Pool(
            rows, cat_features=model.get_cat_feature_indices(), text_features=model.get_text_feature_indices()
        )
        return catboost.CatBoost.predict(model, pool, prediction_type="RawFormulaVal")

    def features(self, model: Any) -> Any:
        names = list(model.feature_names_)
        return None if names == [str(place) for place in range(len(names))] else names


class Sklearn:
    """Estimators and pipelines, as skops; other libraries' estimators inside, too."""

    name, endings = "scikit-learn", {".skops": "skops"}

    def bare(self, model: Any, notes: list[str]) -> Any:
        """What is written of it. Raises Unconvertible."""
        _skops()
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        if not hasattr(model, "predict") and not hasattr(model, "score_samples"):
            raise Unconvertible(f"it is a {type(model).__name__}, which predicts nothing: save the fitted model.")
        try:
            check_is_fitted(model)
        except NotFittedError:
            raise Unconvertible("it is not fitted: save it after `fit`.") from None
        best = getattr(model, "best_estimator_", None)
        if best is None:
            return model
        notes.append(f"of the {type(model).__name__} its best_estimator_ is written, which is what it predicts with")
        return best

    def write(self, model: Any, path: str) -> None:
        _skops().dump(model, path)

    def read(self, path: str) -> Any:
        skops = _skops()
        return skops.load(path, trusted=skops.get_untrusted_types(file=path))  # our own file, of a moment ago

    def strange(self, path: str) -> list[str]:
        """The types of a written file that are of none of the libraries."""
        found = _skops().get_untrusted_types(file=path)
        return [name for name in found if name.split(".")[0] not in SAFE_ROOTS]

    def ask(self, model: Any, rows: Any) -> Any:
        for name in ("predict_proba", "decision_function", "score_samples"):
            if hasattr(model, name):
                return getattr(model, name)(rows)
        return model.predict(rows)

    def features(self, model: Any) -> Any:
        return getattr(model, "feature_names_in_", None)


KINDS: dict[str, Any] = {"xgboost": Xgboost, "lightgbm": Lightgbm, "catboost": Catboost, "sklearn": Sklearn}
"""By the package that a model's class, or one that it is derived from, comes from; the first that fits."""


def kind_of(model: Any, ending: str) -> Any:
    """Raises Unconvertible. Boosters are written by their library, unless skops is asked for or keeps more."""
    roots = {kind.__module__.split(".")[0] for kind in type(model).__mro__}
    found = next((name for name in KINDS if name in roots), None)
    if found is None or isinstance(model, type):
        readable = ", ".join(kind.name for kind in KINDS.values())
        raise Unconvertible(
            f"it is a {type(model).__module__}.{type(model).__qualname__}: taken are models of {readable}."
        )
    named = not ending and found != "catboost" and _named_classes(model) and importlib.util.find_spec("skops")
    return KINDS["sklearn" if "sklearn" in roots and (ending == ".skops" or named) else found]()


def _note_classes(model: Any, notes: list[str]) -> None:
    named = _named_classes(model)
    if named:
        notes.append(
            f"classes keep no names ({', '.join(named[:3])}): the service calls them 0, 1, ...; OUT.skops keeps them"
        )


def _named_classes(model: Any) -> list[str]:
    """Of a classifier whose classes are not 0, 1, ..."""
    classes = getattr(model, "classes_", None)
    if classes is None or list(classes) == list(range(len(classes))):
        return []
    return [str(value) for value in classes]


def _fitted(get: Any) -> Any:
    try:
        return get()
    except Exception as error:  # each library has its own
        if "fit" not in str(error):
            raise
        raise Unconvertible("it is not fitted: save it after `fit`.") from None


def _skops() -> Any:
    try:
        import skops.io
    except ImportError:
        way_out = f"{sys.executable} -m pip install skops"
        raise Unconvertible(f"it is written as skops, which is not installed: {way_out}") from None
    return skops.io
