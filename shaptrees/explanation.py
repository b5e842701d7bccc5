"""What calling an explainer gives: a shap.Explanation where shap is installed, and one that looks alike where not.

Runs where the library is used. shap is imported at the first call, as it takes seconds and 200 MB.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np


def explanation(**parts: Any) -> Any:
    """Of `Explanation`'s fields."""
    if find_spec("shap") is None:
        return Explanation(**parts)
    from shap import Explanation as ShapExplanation

    return ShapExplanation(**parts)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Values (n, F), (n, F, K), (n, F, F) or (n, F, F, K), the base values (n,) or (n, K) that they add to, and the
    rows that they explain. Slices as its values do, features also by name.
    """

    values: Any
    base_values: Any = None
    data: Any = None
    display_data: Any = None
    feature_names: list[str] | None = None
    output_names: list[str] | None = None
    compute_time: float | None = None
    axes: tuple[str, ...] = ()
    """What each axis of the values counts: row, feature, output."""

    def __post_init__(self) -> None:
        if not self.axes:
            rows = ("row",) if np.ndim(self.base_values) or np.ndim(self.values) > 1 else ()
            outputs = ("output",) if np.ndim(self.base_values) > len(rows) else ()
            features = ("feature",) * (np.ndim(self.values) - len(rows) - len(outputs))
            object.__setattr__(self, "axes", rows + features + outputs)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the values."""
        return tuple(np.shape(self.values))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> "Explanation":
        keys = self._keys(key if isinstance(key, tuple) else (key,))
        by_axis = dict(zip(self.axes, keys, strict=True))
        return replace(
            self,
            values=_sliced(self.values, keys),
            base_values=self._part(self.base_values, by_axis, "row", "output"),
            data=self._part(self.data, by_axis, "row", "feature"),
            display_data=self._part(self.display_data, by_axis, "row", "feature"),
            feature_names=_names(self.feature_names, by_axis.get("feature", slice(None))),
            output_names=_names(self.output_names, by_axis.get("output", slice(None))),
            axes=tuple(
                axis for axis, place in zip(self.axes, keys, strict=True) if not isinstance(place, int | np.integer)
            ),
        )

    @property
    def abs(self) -> "Explanation":
        """With the sizes of the values."""
        return replace(self, values=np.abs(self.values))

    def mean(self, axis: int) -> "Explanation":
        """Over one axis; what belongs to single rows is gone where that is the rows'."""
        return self._reduced(np.mean, axis)

    def sum(self, axis: int) -> "Explanation":
        """Over one axis, as `mean`."""
        return self._reduced(np.sum, axis)

    def max(self, axis: int) -> "Explanation":
        """Over one axis, as `mean`."""
        return self._reduced(np.max, axis)

    def _reduced(self, how: Callable[..., Any], axis: int) -> "Explanation":
        gone = self.axes[axis]
        left = tuple(name for place, name in enumerate(self.axes) if place != axis % len(self.axes))
        whole = replace(self, values=how(self.values, axis=axis), axes=left)
        if gone == "row":
            return replace(whole, base_values=None, data=None, display_data=None)
        return replace(whole, feature_names=None, data=None, display_data=None) if gone == "feature" else whole

    def _keys(self, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """One for each axis: an Ellipsis filled up, names as places."""
        places = [place for place, key in enumerate(given) if key is Ellipsis] or [len(given)]
        before, after = given[: places[0]], given[places[0] + 1 :]
        full = (*before, *[slice(None)] * (len(self.axes) - len(before) - len(after)), *after)
        return tuple(self._place(axis, key) for axis, key in zip(self.axes, full, strict=True))

    def _place(self, axis: str, key: Any) -> Any:
        if not isinstance(key, str):
            return key
        return list((self.feature_names if axis == "feature" else self.output_names) or ()).index(key)

    def _part(self, array: Any, keys: dict[str, Any], *axes: str) -> Any:
        """Of an array over some of the axes, those that this explanation still has."""
        there = [keys[axis] for axis in axes if axis in keys]
        return array if array is None or np.ndim(array) < len(there) else _sliced(array, there)


def _sliced(array: Any, keys: Any) -> Any:
    """One axis after the other, from the last: lists of places do not go together as NumPy would have them."""
    for axis in reversed(range(len(keys))):
        array = array[(slice(None),) * axis + (keys[axis],)]
    return array


def _names(names: list[str] | None, place: Any) -> Any:
    if names is None:
        return None
    found = np.asarray(names, dtype=object)[place]
    return found.tolist() if isinstance(found, np.ndarray) else found
