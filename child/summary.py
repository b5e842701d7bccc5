"""The global picture of a job out of its chunks' partials. Used in the child that closes a job.

Reads one partial after the other, so that its memory does not grow with the number of chunks.
"""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import msgspec
import numpy as np

from child.models.model import Rows
from jobs import protocol, warnings
from jobs.records import MOST_PAIRS, Layout, ModelInfo, Partial

TOP_FEATURES = 20
PAIR_NUMBERS = 32 * 1024
"""Interaction values that are summed up at once."""
NOT_ADDITIVE = warnings.warning(
    "not_additive",
    "Base value plus SHAP values miss the model's own output by more than rounding, and check_additivity was false: "
    "do not rely on these values; the summary's additivity says by how much they miss.",
)
_decoder = msgspec.msgpack.Decoder(Partial)


def partial(values: Rows, error: float, tolerance: float) -> Partial:
    """What the summary needs of one chunk's values, (rows, features[, features], outputs)."""
    is_off = not error <= tolerance
    effects = values.sum(axis=2) if values.ndim == 4 else values  # noqa: PLR2004 - interactions add up to effects
    return Partial(
        rows=len(effects),
        abs_sum=np.abs(effects).sum(axis=0).tolist(),
        value_sum=effects.sum(axis=0).tolist(),
        largest_error=error,
        tolerance=tolerance,
        warnings=[NOT_ADDITIVE] if is_off else [],
    )


def merged(parts: list[Partial]) -> Partial:
    """Of a chunk whose rows were explained in several blocks."""
    if len(parts) == 1:
        return parts[0]
    worst = max(parts, key=_share)
    return Partial(
        rows=sum(part.rows for part in parts),
        abs_sum=np.sum([part.abs_sum for part in parts], axis=0).tolist(),
        value_sum=np.sum([part.value_sum for part in parts], axis=0).tolist(),
        largest_error=worst.largest_error,
        tolerance=worst.tolerance,
        warnings=warnings.merged(*(part.warnings for part in parts)),
    )


class Pairs:
    """The sum of |interaction value| over a chunk's rows: see `Partial.pair_sum`.

    One array, made before any block is computed: one a block would lie where the next block's values could.
    """

    def __init__(self, numbers: int) -> None:
        """`numbers` a row: features times features times outputs; 0 without interactions."""
        self._total = np.zeros(numbers if numbers <= MOST_PAIRS else 0)

    def add(self, values: Rows) -> None:
        """(rows, features, features, outputs)"""
        if not len(self._total):
            return
        rows, step = values.reshape(len(values), -1), max(1, PAIR_NUMBERS // len(self._total))
        for start in range(0, len(rows), step):
            self._total += np.abs(rows[start : start + step]).sum(axis=0)

    def sum(self) -> bytes:
        return self._total.astype("<f8").tobytes()


def _share(part: Partial) -> float:
    """Of what was allowed, that the worst row missed."""
    return part.largest_error / part.tolerance if part.tolerance else part.largest_error


def read_partials(file: BinaryIO) -> Iterator[Partial]:
    """The frames of a part, one at a time. Raises EOFError when the last one is cut off."""
    while header := file.read(protocol.LENGTH.size):
        if len(header) < protocol.LENGTH.size:
            raise EOFError("the partials end inside a frame")
        length = protocol.frame_length(header)
        body = file.read(length)
        if len(body) < length:
            raise EOFError("the partials end inside a frame")
        yield _decoder.decode(body)


def summarize(partials: Iterable[Partial], model: ModelInfo, layout: Layout) -> dict[str, Any]:
    """rows, features, outputs, base_values, explains, explainer, engine, reason, mean_abs_shap, top_features,
    interactions, additivity, warnings. `mean_abs_shap` is a list in the order of features; of lists, one value an
    output, for several outputs.
    """
    features = model.values_of(layout)
    shape = (len(features), len(model.outputs))
    rows, absolute, signed, pairs = 0, np.zeros(shape), np.zeros(shape), np.zeros(0)
    worst: Partial | None = None
    odd = warnings.merged(model.warnings, layout.warnings)
    for part in partials:
        rows += part.rows
        absolute += np.asarray(part.abs_sum)
        signed += np.asarray(part.value_sum)
        if part.pair_sum:
            pairs = np.frombuffer(part.pair_sum, "<f8") + (pairs if len(pairs) else 0)
        odd = warnings.merged(odd, part.warnings)
        if worst is None or _share(part) > _share(worst):
            worst = part
    mean_abs, mean = absolute / max(1, rows), signed / max(1, rows)
    return {
        "rows": rows,
        "features": features,
        "outputs": model.outputs,
        "base_values": model.base_values,
        "explains": model.explains,
        "explainer": model.explainer,
        "engine": model.engine,
        "reason": model.reason,
        "mean_abs_shap": (mean_abs[:, 0] if shape[1] == 1 else mean_abs).tolist(),
        "top_features": _top(features, mean_abs.sum(axis=1), mean.sum(axis=1)),
        "interactions": _interactions(features, mean_abs.sum(axis=1), pairs / max(1, rows)),
        "additivity": _additivity(worst),
        "warnings": msgspec.to_builtins(odd),
    }


def _top(features: list[str], mean_abs: Rows, mean: Rows) -> list[dict[str, Any]]:
    """By mean |SHAP|, summed over the outputs; equal ones in the order of features."""
    order = np.argsort(-mean_abs, kind="stable")[:TOP_FEATURES]
    return [
        {"feature": features[index], "mean_abs_shap": float(mean_abs[index]), "mean_shap": float(mean[index])}
        for index in order
    ]


def _interactions(features: list[str], mean_abs: Rows, pairs: Rows) -> dict[str, Any] | None:
    """The mean |interaction| of the top features, (features, features, outputs); None where it is not known."""
    if not len(pairs):
        return None
    matrix = pairs.reshape(len(features), len(features), -1)
    order = np.argsort(-mean_abs, kind="stable")[:TOP_FEATURES]
    return {"features": [features[index] for index in order], "mean_abs": matrix[np.ix_(order, order)].tolist()}


def _additivity(worst: Partial | None) -> dict[str, Any] | None:
    if worst is None:
        return None
    ok = worst.largest_error <= worst.tolerance
    return {"largest_error": worst.largest_error, "tolerance": worst.tolerance, "ok": ok}
