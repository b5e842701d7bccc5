"""What scikit-learn saved a model, and whether it means the same to the one that is installed. Used in templates.

A file of another minor version mostly does. What it says and the installed class does not know any more is the sign
that it may not: nobody else would say so. Does not compare predictions: see `expected`.
"""

import importlib
import inspect
import io
import json
import re
import zipfile
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition._pls import _PLS
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

from child import memory
from child.models.boosters_inside import nodes
from child.models.sklearn_parts import parts
from child.models.trusted import LOSS_NAMES
from jobs.errors import Problem, UntrustedTypes, VersionMismatch

SCHEMA = "schema.json"
_SAVED_BY = re.compile(rb'"_sklearn_version": \{[^{}]*"content": "\\"([0-9][\w.]{0,20})\\""')
_MOVED_LOSS = (b'"__module__": "_loss"', b'"__module__": "sklearn._loss._loss"')
"""Up to 1.8 the losses of boosting said that they lived in a module of no package."""
_REMAINDER = b"_RemainderColsList"
"""In 1.5 to 1.6 a list of a column transformer's remaining columns that warned whoever read it; a list else."""
_PLS_SCALES_COEFFICIENTS = (1, 5)
"""Since then `coef_` is for rows as they come, and no longer for scaled ones."""
_NOTHING_SAID = ("deprecated", "warn")
"""What a parameter holds on its way out, where nobody has set it."""


def modernized(raw: bytes) -> bytes:
    """The same skops file with the types that only moved where they are now. Others say what is wrong."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            schema = archive.read(SCHEMA)
            if _MOVED_LOSS[0] not in schema and _REMAINDER not in schema:
                return raw
            modern = _modern(schema)
            into = io.BytesIO()
            with zipfile.ZipFile(into, "w") as changed:
                for entry in archive.infolist():
                    content = modern if entry.filename == SCHEMA else archive.read(entry)
                    changed.writestr(entry.filename, content)
            return into.getvalue()
    except (
        Exception
    ) as error:  # a garbled archive fails in whatever line comes to it first, and says so when it is loaded
        if memory.is_out_of_memory(error):
            raise
        return raw


def _modern(schema: bytes) -> bytes:
    schema = schema.replace(*_MOVED_LOSS)
    if _REMAINDER not in schema:
        return schema
    document = json.loads(schema)
    for node in nodes(document):
        if str(node.get("__class__")).encode() == _REMAINDER:
            columns, known_by = node["content"]["content"]["data"], node["__id__"]
            node.clear()
            node.update(columns, __id__=known_by)
    return json.dumps(document).encode()


def saved_by(raw: bytes) -> str | None:
    """The version of scikit-learn that a skops file names; None where it names none."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            found = _SAVED_BY.search(archive.read(SCHEMA))
    except Exception as error:  # as above
        if memory.is_out_of_memory(error):
            raise
        return None
    return found[1].decode() if found else None


def version_of(estimator: Any) -> str | None:
    """The version that a loaded estimator, or the first part of it that knows, was saved by."""
    versions = (vars(part).get("_sklearn_version") for part in parts(estimator) if hasattr(part, "__dict__"))
    return next((str(found) for found in versions if found), None)


def is_other(found: str | None) -> bool:
    """Whether that is another minor version than the one installed."""
    return found is not None and found.split(".")[:2] != sklearn.__version__.split(".")[:2]


def warnings_of(found: str | None) -> tuple[tuple[str, str], ...]:
    """For a model that seems to mean the same."""
    if not is_other(found):
        return ()
    said = (
        f"The model was saved by scikit-learn {found} and is explained by {sklearn.__version__}: send its own "
        "predictions for the first rows as `expected` to be sure that it means the same to both."
    )
    return (("library_version", said),)


def doubt(estimator: Any, found: str | None) -> str:
    """Why it may mean something else to the installed version; empty where nothing says so."""
    if not is_other(found):
        return ""
    odd = next((said for part in parts(estimator) if (said := _changed(part) or _computes_otherwise(part, found))), "")
    return f"{_both(found)}, {odd}" if odd else ""


def raise_if_unknown(error: Problem, model: str, found: str | None) -> None:
    """Raises VersionMismatch where a file cannot be used because it is of another version."""
    if not is_other(found) or (isinstance(error, UntrustedTypes) and not _are_gone(error.detail["types"])):
        return
    reason = f"{_both(found)}, {_of_no_use(error)}"
    way_out = f"Train it and save it again with scikit-learn {sklearn.__version__}."
    raise VersionMismatch(model=model, reason=reason, way_out=way_out) from None


def _of_no_use(error: Problem) -> str:
    if isinstance(error, UntrustedTypes):
        return f"which cannot rebuild its {error.detail['types']}"
    said = str(error.detail.get("reason", error)).splitlines() or [""]
    return f"which cannot use it ({said[0]})"


def _both(found: str | None) -> str:
    return f"it was saved by scikit-learn {found}, and this service has {sklearn.__version__}"


def _changed(part: Any) -> str:
    """What is the sign of a changed meaning in one part, to follow a comma."""
    if not isinstance(part, BaseEstimator):
        return ""
    name, known = type(part).__name__, _parameters(type(part))
    for attribute, value in vars(part).items():
        if attribute in known or attribute.startswith("_") or attribute.endswith("_") or hasattr(type(part), attribute):
            continue
        if not _says_nothing(part, attribute, value):
            return f"whose {name} has no `{attribute}` (here {str(value)[:40]!r}) any more"
    return "" if _loss_is_known(part) else f"whose {name} does not know the loss {str(part.loss)[:40]!r}"


def _computes_otherwise(part: Any, found: str | None) -> str:
    """What the same attributes meant until another version, to follow a comma."""
    if isinstance(part, _PLS) and found and _minor(found) < _PLS_SCALES_COEFFICIENTS:
        return f"whose {type(part).__name__} does not divide rows by their deviations any more"
    return ""


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _parameters(kind: type) -> set[str]:
    """What the constructors of a class and its bases take: some keep what only others of theirs are asked for."""
    made_by = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)]
    return {name for made in made_by for name in inspect.signature(made).parameters}


def _says_nothing(part: Any, attribute: str, value: Any) -> bool:
    """Whether a parameter that is gone only said what is always done now."""
    if attribute == "multi_class":  # of LogisticRegression, until 1.7
        if not hasattr(part, "classes_"):  # one that others were cloned from
            return True
        if len(part.classes_) == 2:  # noqa: PLR2004 - two classes
            return bool(value != "multinomial")
        return value in ("auto", "multinomial", *_NOTHING_SAID) and part.solver != "liblinear"
    if attribute == "algorithm":  # of AdaBoostClassifier, until 1.7
        return value in ("SAMME", *_NOTHING_SAID)
    if attribute == "force_int_remainder_cols":  # of ColumnTransformer, in 1.5 to 1.8: how it shows what it has
        return True
    if isinstance(value, np.random.RandomState):  # what was drawn in training
        return True
    return value is None or (isinstance(value, str) and value in _NOTHING_SAID)


def _loss_is_known(part: Any) -> bool:
    allowed = getattr(part, "_parameter_constraints", {}).get("loss")
    if not allowed or not hasattr(part, "loss"):
        return True
    try:
        validate_parameter_constraints({"loss": allowed}, {"loss": part.loss}, type(part).__name__)
    except InvalidParameterError:
        return False
    return True


def _are_gone(types: str) -> bool:
    """Whether all types are scikit-learn's own and gone by now, or losses that skops wrote without their parameters."""
    return all(
        name.startswith("sklearn.") and (name in LOSS_NAMES or not _is_there(name)) for name in types.split(", ")
    )


def _is_there(name: str) -> bool:
    module, _, kind = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), kind)
    except (ImportError, ValueError):
        return False
