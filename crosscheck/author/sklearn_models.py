"""What the families of scikit-learn have in common: how a fitted estimator becomes a specimen."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
import skops.io
from sklearn.base import is_classifier

from crosscheck.author import shapley
from crosscheck.author.draw import Draw, Table
from crosscheck.author.specimen import Said, Specimen

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
METHODS = {"margin": "decision_function", "probability": "predict_proba", "prediction": "predict"}
Path = Callable[[Any, Table], "dict[str, Said]"]


def specimen(dice: Draw, model: Any, table: Table, *, kind: str = "", path: Path | None = None) -> Specimen:
    """Of a fitted model; without a background, `path` says what its trees give."""
    said = outputs(model, table)
    if table.background is None and path:
        said |= path(model, table)
    sure = next((key for key in ("probability", "prediction") if key in said and len(said) == 1), "")
    return Specimen(
        kind=kind or type(model).__name__,
        library=f"scikit-learn {sklearn.__version__}",
        model=_saved(model),
        rows=table.rows,
        said=said,
        background=table.background,
        expected=sure if dice.chance(0.3) else "",
    )


def outputs(model: Any, table: Table) -> dict[str, Said]:
    """All that it can be asked for, with values by definition where there is a background."""
    found: dict[str, Said] = {}
    labels = _labels(model)
    for key, method in METHODS.items():
        if not hasattr(model, method) or (key == "prediction" and is_classifier(model) and found):
            continue
        call = _numbers(getattr(model, method))
        is_label = key == "prediction" and labels is not None
        call = _said(call, labels) if is_label else call
        try:
            said = Said(call(table.rows))
        except (AttributeError, TypeError, ValueError, NotImplementedError):
            continue  # a list for each target, or labels that are no numbers
        if table.background is not None:
            said.values, said.base = shapley.against(call, table.rows, table.background)
        found["label" if is_label else key] = said
    return found


def _labels(model: Any) -> Any:
    """Those that it predicts, of what is asked for them only where it says nothing else; None for numbers."""
    if is_classifier(model):
        return getattr(model, "classes_", None)
    return np.arange(len(model.cluster_centers_)) if hasattr(model, "cluster_centers_") else None


def _said(call: Callable[[Any], Any], labels: Any) -> Callable[[Any], Any]:
    """1 where a label is predicted, 0 elsewhere."""
    return lambda rows: (call(rows) == labels).astype(np.float64)


def _numbers(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def asked(rows: Any) -> Any:
        found = np.asarray(call(rows), dtype=np.float64)
        if found.ndim > 2 or len(found) != len(rows):
            raise ValueError("not a number or a list of numbers a row")
        return found.reshape(len(rows), -1)

    return asked


def _saved(model: Any) -> bytes:
    file = io.BytesIO()
    file.write(skops.io.dumps(model))
    return file.getvalue()
