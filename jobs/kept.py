"""What is kept of a row's values, and so the shape of a result: follows from a job's options, and nothing else. Pure.

Groups are added up first: `ModelInfo.values_of` names what is there afterwards, and of all that summary, sample and
charts tell. A result has all of it, or the `columns` asked for, or the `top_k` of each row, or with `reduce` no rows.
Does not compute: see `child.kept`.
"""

import math

from jobs.options import Options
from jobs.records import Layout, ModelInfo

FLOAT_BYTES = 8
QUANTILE_NUMBERS = 64 * 1024
"""Values of the rows that are drawn for quantiles, where no rows are kept: half a megabyte."""


def columns(layout: Layout, model: ModelInfo, options: Options) -> list[str]:
    """The names of the values of a row. Of `top_k`: feature_1, ..., value_1, ..., rest."""
    if not options.top_k:
        return options.columns or model.values_of(layout)
    places = range(1, options.top_k + 1)
    return [*(f"feature_{place}" for place in places), *(f"value_{place}" for place in places), "rest"]


def row_shape(layout: Layout, model: ModelInfo, options: Options) -> tuple[int, ...]:
    """The shape of one row's values: (C,), (C, K), (C, C) or (C, C, K); one output has no axis of its own.

    Of `top_k`, C counts first the k places of features among those of `values_of`, then their k values, then the rest.
    """
    count, outputs = len(columns(layout, model, options)), len(model.outputs)
    matrix = (count, count) if options.interactions else (count,)
    return matrix if outputs == 1 else (*matrix, outputs)


def row_bytes(layout: Layout, model: ModelInfo, options: Options) -> int:
    """The size of what is kept of one row's values: float64."""
    return 0 if options.reduce else FLOAT_BYTES * math.prod(row_shape(layout, model, options))


def quantile_rows(layout: Layout, model: ModelInfo, options: Options) -> int:
    """The most rows that are drawn for quantiles."""
    if not options.reduce:
        return 0
    return max(1, QUANTILE_NUMBERS // (len(model.values_of(layout)) * len(model.outputs)))
