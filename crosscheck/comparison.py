"""What the service answered beside what the library said: the same, or how far off. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

OF_LARGEST = 1e-6
"""What a value may be off, of the largest one of its job."""
SAMPLING = ("permutation", "kernel")


@dataclass(frozen=True)
class Answer:
    """A job's values, (rows, features, outputs), and how they came about."""

    values: Any
    base_values: Any
    explains: str
    explainer: str
    engine: str
    first_only: bool = False
    """The job says that it explains the first outputs alone."""


def compared(answer: Answer, said: dict[str, Any]) -> tuple[str, float, str]:
    """`same`, `adds up` or `wrong`; the error as a share of what is allowed; and what was compared.

    What explains by sampling, and what the library has no values of, must add up to the library's own output.
    """
    key = answer.explains
    if f"{key}.output" not in said:
        return "wrong", float("inf"), f"the library was not asked for its {key}, which was explained"
    output = said[f"{key}.output"]
    values, base = _fitted(answer, output.shape[1])
    said = {
        name: found[..., 1:] if np.ndim(found) and _second_only(answer, output) else found
        for name, found in said.items()
    }
    output = said[f"{key}.output"]
    if answer.first_only:
        output = output[:, : values.shape[2]]
    if values.shape[2] != output.shape[1]:
        return "wrong", float("inf"), f"{values.shape[2]} outputs instead of {output.shape[1]}"
    largest = max(float(np.abs(values).max()), float(np.abs(base).max()), float(np.abs(output).max()), 1e-300)
    sums = float(np.abs(values.sum(axis=1) + base - output).max()) / (OF_LARGEST * largest + float(said["noise"]))
    if f"{key}.values" not in said or answer.first_only or answer.explainer in SAMPLING:
        return ("adds up" if sums <= 1 else "wrong"), sums, "the sum of values"
    own, own_base = said[f"{key}.values"], said[f"{key}.base"]
    allowed = OF_LARGEST * max(float(np.abs(own).max()), float(np.abs(own_base).max()), 1e-300)
    allowed += float(said["noise"]) + float(
        said[f"{key}.missed"]
    )  # by which the library misses its own output: it cannot tell finer
    errors = (float(np.abs(values - own).max()) / allowed, float(np.abs(base - own_base).max()) / allowed)
    return ("same" if max(errors) <= 1 else "wrong"), max(errors), "values" if errors[0] > errors[1] else "base values"


def _second_only(answer: Answer, output: Any) -> bool:
    """Whether the service explains the second of two classes and the library says both."""
    return bool(answer.values.shape[2] == 1 and output.shape[1] == 2 and answer.explains == "probability")


def _fitted(answer: Answer, outputs: int) -> tuple[Any, Any]:
    """Of two classes, the second alone where the library gives one number."""
    if answer.values.shape[2] == outputs + 1 == 2:
        return answer.values[..., 1:], answer.base_values[1:]
    return answer.values, answer.base_values
