"""Names of features and outputs: as a model gives them, or by number where it gives none."""

import re
from collections.abc import Sequence
from typing import Any


def given_names(names: Sequence[str] | None) -> list[str] | None:
    """The names as a user gave them; None for those that a library makes up (Column_0, f0, ...)."""
    if not names:
        return None
    made_up = all(re.fullmatch(rf"(Column_|f){index}", str(name)) for index, name in enumerate(names))
    return None if made_up else [str(name) for name in names]


def class_names(count: int, classes: Sequence[Any] | None = None) -> list[str]:
    """Names for the outputs of a classifier with `count` outputs; with one output, that of the positive class."""
    labels = [str(label) for label in classes] if classes is not None else [str(i) for i in range(max(2, count))]
    if count == 1:
        return labels[-1:]
    return labels if len(labels) == count else [str(index) for index in range(count)]
