"""The global picture of a job out of its chunks' partials. Used in the child that closes a job.

Reads one partial after the other, so that its memory does not grow with the number of chunks.
"""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import msgspec
import numpy as np

from child import cohorts
from child.models.model import Rows
from jobs import protocol, warnings
from jobs.options import Options
from jobs.records import MOST_PAIRS, Cohort, Layout, ModelInfo, OlderPartial, Partial

TOP_FEATURES = 20
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DEFAULTS = Options()
PAIR_NUMBERS = 32 * 1024
"""Interaction values that are summed up at once."""
NOT_ADDITIVE = warnings.warning(
    "not_additive",
    "Base value plus SHAP values miss the model's own output by more than rounding, and check_additivity was false: "
    "do not rely on these values; the summary's additivity says by how much they miss.",
)
_decoder, _older = msgspec.msgpack.Decoder(Partial), msgspec.msgpack.Decoder(OlderPartial)


def effects(values: Rows) -> Rows:
    """(rows, features, outputs) of (rows, features[, features], outputs): interactions add up to effects."""
    return values.sum(axis=2) if values.ndim == 4 else values  # noqa: PLR2004


def partial(effects: Rows, error: float, tolerance: float) -> Partial:
    """What the summary needs of one block's values, (rows, features, outputs)."""
    is_off = not error <= tolerance
    return Partial(
        rows=len(effects),
        sums=_bytes([np.abs(effects).sum(axis=0), effects.sum(axis=0)]),
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
        sums=_bytes(np.sum([np.frombuffer(part.sums, "<f8") for part in parts], axis=0)),
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

    @property
    def wanted(self) -> bool:
        return len(self._total) > 0

    def add(self, values: Rows) -> None:
        """(rows, features, features, outputs)"""
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
        yield _decoded(body)


def _decoded(body: bytes) -> Partial:
    part = _decoder.decode(body)
    if not part.sums:
        older = _older.decode(body)
        part.sums = _bytes([older.abs_sum, older.value_sum])
    return part


def _bytes(sums: Any) -> bytes:
    return np.asarray(sums, "<f8").tobytes()


class Totals:
    """Of all partials so far."""

    def __init__(self, features: int, outputs: int) -> None:
        self.rows = 0
        self.absolute, self.signed = self._sums = np.zeros((2, features, outputs))
        self.pairs = np.zeros(0)
        self.drawn: list[bytes] = []
        self.cohorts: list[Cohort] = []
        self.worst: Partial | None = None

    def add(self, part: Partial) -> None:
        self.rows += part.rows
        self._sums += np.frombuffer(part.sums, "<f8").reshape(self._sums.shape)
        if part.pair_sum:
            self.pairs = np.frombuffer(part.pair_sum, "<f8") + (self.pairs if len(self.pairs) else 0)
        self.drawn.append(part.drawn)
        self.cohorts = cohorts.merged([*self.cohorts, *part.cohorts])
        if self.worst is None or _share(part) > _share(self.worst):
            self.worst = part


def summarize(
    partials: Iterable[Partial], model: ModelInfo, layout: Layout, options: Options = DEFAULTS
) -> dict[str, Any]:
    """rows, features, outputs, base_values, explains, explainer, engine, reason, mean_abs_shap, mean_shap,
    top_features, interactions, additivity, warnings; where the options say so, cohorts and quantiles. Means are lists
    in the order of features; of lists, one value an output, for several outputs. Raises BadCohorts.
    """
    features, outputs = model.values_of(layout), len(model.outputs)
    totals, odd = Totals(len(features), outputs), warnings.merged(model.warnings, layout.warnings)
    for part in partials:
        totals.add(part)
        cohorts.check(len(totals.cohorts), len(features) * outputs, layout)
        odd = warnings.merged(odd, part.warnings)
    mean_abs, mean = totals.absolute / max(1, totals.rows), totals.signed / max(1, totals.rows)
    return {
        "rows": totals.rows,
        "features": features,
        "outputs": model.outputs,
        "base_values": model.base_values,
        "explains": model.explains,
        "explainer": model.explainer,
        "engine": model.engine,
        "reason": model.reason,
        "mean_abs_shap": _shaped(mean_abs),
        "mean_shap": _shaped(mean),
        "top_features": _top(features, mean_abs.sum(axis=1), mean.sum(axis=1)),
        "interactions": _interactions(features, mean_abs.sum(axis=1), totals.pairs / max(1, totals.rows), options),
        **_of_options(totals, layout, options),
        "additivity": _additivity(totals.worst),
        "warnings": msgspec.to_builtins(odd),
    }


def _of_options(totals: Totals, layout: Layout, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {}
    shape = totals.absolute.shape
    if layout.by_place is not None:
        found["cohorts"] = {
            "column": layout.columns[layout.by_place],
            "cohorts": [_cohort(one, shape) for one in totals.cohorts],
        }
    if options.reduce:
        found["quantiles"] = _quantiles(np.frombuffer(b"".join(totals.drawn), "<f8").reshape(-1, *shape))
    return found


def _cohort(of: Cohort, shape: tuple[int, ...]) -> dict[str, Any]:
    mean_abs, mean = np.frombuffer(of.sums, "<f8").reshape(2, *shape) / max(1, of.rows)
    return {"value": of.label, "rows": of.rows, "mean_abs_shap": _shaped(mean_abs), "mean_shap": _shaped(mean)}


def _quantiles(drawn: Rows) -> dict[str, Any]:
    """Of (rows, features, outputs); exact where all rows were drawn."""
    found = np.quantile(drawn, QUANTILES, axis=0) if len(drawn) else np.zeros((0, *drawn.shape[1:]))
    return {"rows": len(drawn), "at": list(QUANTILES), "values": [_shaped(one) for one in found]}


def _shaped(means: Rows) -> list[Any]:
    """(features, outputs); one output has no axis of its own."""
    return list((means[:, 0] if means.shape[1] == 1 else means).tolist())


def _top(features: list[str], mean_abs: Rows, mean: Rows) -> list[dict[str, Any]]:
    """By mean |SHAP|, summed over the outputs; equal ones in the order of features."""
    order = np.argsort(-mean_abs, kind="stable")[:TOP_FEATURES]
    return [
        {"feature": features[index], "mean_abs_shap": float(mean_abs[index]), "mean_shap": float(mean[index])}
        for index in order
    ]


def _interactions(features: list[str], mean_abs: Rows, pairs: Rows, options: Options) -> dict[str, Any] | None:
    """The mean |interaction| of the top features, or of all columns where no rows are kept: (columns, columns,
    outputs). None where it is not known.
    """
    if not len(pairs):
        return None
    names = options.columns or features
    matrix = pairs.reshape(len(names), len(names), -1)
    size = mean_abs[[features.index(name) for name in names]]
    order = np.arange(len(names)) if options.reduce else np.argsort(-size, kind="stable")[:TOP_FEATURES]
    return {"features": [names[index] for index in order], "mean_abs": matrix[np.ix_(order, order)].tolist()}


def _additivity(worst: Partial | None) -> dict[str, Any] | None:
    if worst is None:
        return None
    ok = worst.largest_error <= worst.tolerance
    return {"largest_error": worst.largest_error, "tolerance": worst.tolerance, "ok": ok}
