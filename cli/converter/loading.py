"""What a file holds: one fitted model, or a sentence on what else it is."""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from typing import Any

from .problem import Unconvertible

_PLACE = re.compile(r"^\[[\d:]+\] \S+:\d+: ")
"""Of a line of XGBoost's own sources."""
ASKED = ("predict", "predict_proba", "decision_function", "score_samples")
MAKE_AGAIN = "with the versions that it was made with (`--python`, the interpreter of that environment)"


def loaded(path: str, format: str, notes: list[str]) -> Any:
    """The model in this file. Raises Unconvertible; what libraries warn of while they load it goes to `notes`."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = _booster(path) if format == "xgboost-binary" else _unpickled(path)
    _judge([warning.message for warning in said], notes)
    return _one_model(found, notes)


def _booster(path: str) -> Any:
    try:
        import xgboost
    except ImportError:
        raise Unconvertible(_missing("xgboost")) from None
    try:
        return xgboost.Booster(model_file=path)
    except xgboost.core.XGBoostError as error:
        reason = f"XGBoost {xgboost.__version__} of {sys.executable} cannot read the file ({first_line(error)})"
        way_out = "XGBoost up to 3.0 reads its old binaries: give the interpreter of such an environment as `--python`."
        raise Unconvertible(f"{reason}. {way_out}") from None


def _unpickled(path: str) -> Any:
    try:
        try:
            import joblib
        except ImportError:
            with open(path, "rb") as file:
                return pickle.load(file)  # noqa: S301 - the user has said so
        return joblib.load(path)
    except ModuleNotFoundError as error:
        raise Unconvertible(_missing(error.name or str(error))) from None
    except AttributeError as error:
        if "__main__" in str(error):
            reason = f"it holds what was defined in the script or notebook that saved it ({first_line(error)})"
            raise Unconvertible(f"{reason}. Convert it there, or put that into a module beside the model.") from None
        raise Unconvertible(_unreadable(error)) from None
    except Exception as error:  # a pickle can raise anything
        raise Unconvertible(_unreadable(error)) from None


def _missing(module: str) -> str:
    way_out = f"install it there, or run this {MAKE_AGAIN}"
    return f"it needs the module {module}, which {sys.executable} does not have: {way_out}"


def _unreadable(error: BaseException) -> str:
    return (
        f"it cannot be loaded by {sys.executable} ({type(error).__name__}: {first_line(error)}): run this {MAKE_AGAIN}"
    )


def first_line(error: object) -> str:
    """What an error says, short enough for a sentence; its class where it says nothing."""
    lines = [_PLACE.sub("", line.strip()) for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2])[:200].rstrip(". ") if lines else type(error).__name__


def _judge(said: list[Any], notes: list[str]) -> None:
    """A library of another minor version may make something else of it, and what is saved again would not tell.

    Raises Unconvertible.
    """
    for message in said:
        was, now = (str(getattr(message, f"{when}_sklearn_version", "")) for when in ("original", "current"))
        if was and was.split(".")[:2] != now.split(".")[:2]:
            raise Unconvertible(
                f"it was saved by scikit-learn {was}, and {sys.executable} has {now}: run this {MAKE_AGAIN}"
            )
    notes += dict.fromkeys(f"while it was loaded: {first_line(message)}" for message in said)


def _one_model(found: Any, notes: list[str]) -> Any:
    """Out of a dict or list that holds one beside other things, too. Raises Unconvertible."""
    if isinstance(found, dict):
        inside = {repr(key): value for key, value in found.items()}
    elif isinstance(found, (list, tuple)):
        inside = {str(place): value for place, value in enumerate(found)}
    else:
        return found
    fitted = {name: value for name, value in inside.items() if _is_fitted_part(value)}
    models = [name for name, value in fitted.items() if _is_model(value)]
    holds = f"it holds a {type(found).__name__} of {len(inside)}"
    if len(models) == 1 and len(fitted) == 1:
        notes.append(f"{holds}; taken is its model, {models[0]}")
        return fitted[models[0]]
    if not models:
        raise Unconvertible(f"{holds}, and no model among them: save the fitted model alone.")
    way_out = "make one Pipeline of what belongs together, or save the model alone if it takes the table as it is"
    raise Unconvertible(f"{holds}, of which {', '.join(fitted)} are fitted: {way_out}.")


def _is_model(value: Any) -> bool:
    return any(hasattr(value, name) for name in ASKED) and not isinstance(value, type)


def _is_fitted_part(value: Any) -> bool:
    return _is_model(value) or (hasattr(value, "transform") and hasattr(value, "fit"))
