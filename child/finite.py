"""Base values and SHAP values must be finite numbers, else the job fails by name. Used in templates and children."""

import numpy as np

from child.models.model import Rows
from child.names import feature_names
from jobs.errors import NotFinite

LARGEST = 1e300
"""What is larger could not be added up over rows: float64 ends at 1.8e308."""


def base_values(found: list[float], model: str, outputs: list[str]) -> list[float]:
    """The same. Raises NotFinite."""
    for value, output in zip(found, outputs, strict=False):
        if not abs(value) <= LARGEST:
            raise NotFinite(what=f"The base value of output {output}", model=model, value=str(value))
    return found


def check(values: Rows, model: str, first: int, features: list[str] | None) -> None:
    """(rows, features[, features], outputs), the first row's number in the data. Raises NotFinite for the first one."""
    if values.min() >= -LARGEST and values.max() <= LARGEST:  # not so where one is no number
        return
    place = np.argwhere(~(np.abs(values) <= LARGEST))[0]
    row, feature = int(place[0]), int(place[1])
    name = feature_names(features, values.shape[1])[feature]
    what = f"The SHAP value of row {first + row}, feature {name}"
    raise NotFinite(what=what, model=model, value=str(float(values[tuple(place)])))
