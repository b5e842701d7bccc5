"""What explaining gives: a shap.Explanation where shap is installed, and one that looks alike where not.

Runs in the caller's process. shap is imported when the first explanation is made: it takes seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from shap_supervisor.errors import NotInstalled


def explanation(**parts: Any) -> Any:
    """Of `Explanation`'s fields."""
    if find_spec("shap") is None:
        return Explanation(**parts)
    from shap import Explanation as ShapExplanation

    return ShapExplanation(**parts)


@dataclass(frozen=True, eq=False)
class TopFeatures:
    """Of each row and output the values that are largest, the largest first, and what the others add up to.

    `places` (n, k) or (n, k, K) count in `feature_names`; `values` has the same shape, `rest` and `base_values` have no
    k: base value, values and rest add up to the model's output.
    """

    places: Any
    values: Any
    rest: Any
    base_values: Any
    feature_names: list[str]
    output_names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def names(self) -> Any:
        """The features' names, shaped as `places`."""
        return np.array(self.feature_names, dtype=object)[self.places]

    def to_pandas(self) -> Any:
        """A line for each row (and output): feature_1, ..., value_1, ..., rest."""
        pd = _pandas()
        count, several = self.places.shape[1], np.ndim(self.rest) > 1
        columns = [*(f"feature_{k + 1}" for k in range(count)), *(f"value_{k + 1}" for k in range(count)), "rest"]
        cells = np.concatenate([self.names, self.values.astype(object), self.rest[:, None].astype(object)], axis=1)
        lines = np.moveaxis(cells, 1, -1).reshape(-1, len(columns))
        index = pd.MultiIndex.from_product([range(len(self)), self.output_names or []]) if several else None
        kinds = dict.fromkeys(columns[count:], float)
        return pd.DataFrame(lines, columns=columns, index=index).astype(kinds)


def top_features(values: Any, count: int, about: Mapping[str, Any]) -> TopFeatures:
    """Of what the service stores for `top_k`: (n, 2 count + 1[, K])."""
    several = len(about["outputs"]) > 1
    return TopFeatures(
        places=values[:, :count].astype(np.intp),
        values=values[:, count:-1],
        rest=values[:, -1],
        base_values=base_by_row(about["base_values"], len(values)),
        feature_names=about["features"],
        output_names=about["outputs"] if several else None,
    )


def _pandas() -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise NotInstalled("to_pandas needs pandas: pip install pandas", "not_installed") from None
    return pd


def base_by_row(base_values: Any, rows: int) -> Any:
    """(rows,) of one output, (rows, outputs) of several, as shap has them."""
    base = np.array([np.nan if value is None else value for value in base_values], dtype=np.float64)
    return np.full(rows, base[0]) if len(base) == 1 else np.tile(base, (rows, 1))


@dataclass(frozen=True, eq=False)
class Explanation:
    """Values (n, F), (n, F, K), (n, F, F) or (n, F, F, K), the base values (n,) or (n, K) that they add to, and the
    rows that they explain. Rows are sliced: `e[:10]`; an output is picked by `output`.
    """

    values: Any
    base_values: Any
    data: Any = None
    display_data: Any = None
    feature_names: list[str] | None = None
    output_names: list[str] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the values."""
        return tuple(np.shape(self.values))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> "Explanation":
        data = None if self.data is None else self.data[rows]
        shown = None if self.display_data is None else self.display_data[rows]
        return replace(
            self, values=self.values[rows], base_values=self.base_values[rows], data=data, display_data=shown
        )

    def output(self, name: str | int) -> "Explanation":
        """Of one of several outputs, by name or number."""
        names = self.output_names or []
        place = names.index(name) if isinstance(name, str) else name
        return replace(
            self,
            values=self.values[..., place],
            base_values=self.base_values[:, place],
            output_names=names[place : place + 1] or None,
        )

    def to_pandas(self) -> Any:
        """A column for each feature; of several outputs or interactions, (feature, ...) as the column's name."""
        pd = _pandas()
        names = self.feature_names or list(map(str, range(self.shape[1])))
        several = np.ndim(self.base_values) > 1
        axes = [names] * (len(self.shape) - 1 - several) + [self.output_names or []] * several
        columns = names if len(axes) == 1 else pd.MultiIndex.from_product(axes)
        return pd.DataFrame(self.values.reshape(len(self), -1), columns=columns)
