"""Fitted models as their libraries have them: one library a file, each with `takes(model)` and `fitted(model)`.

None of the libraries is imported; a model is known by where its class and the bases of that come from.
"""

from typing import Any


def comes_from(model: Any, library: str, *names: str) -> bool:
    """Whether the model's class, or a base of it, is one of these of the library."""
    return any(base.__name__ in names and base.__module__.split(".")[0] == library for base in type(model).__mro__)
