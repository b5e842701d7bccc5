"""Jobs to draw: made by hand, small, with all that is awkward."""

import random
from collections.abc import Callable

import pytest

from plots.explained import Additivity, Cell, Explained, Interactions, Sample

Make = Callable[..., Explained]
AWKWARD = "<img src=x onerror=alert(1)>"
FEATURES = [AWKWARD, "age", "colour", "a.b[0]'\"", "tall", "city", "same"]


def row_of(draw: random.Random, number: int) -> list[Cell]:
    age = None if number % 5 == 0 else float(draw.randint(18, 90))
    return [draw.gauss(0, 1), age, draw.choice(["red", "blue"]), draw.random(), 1e6 * draw.random(), "Bern", 1.0]


def make_job(outputs: int = 1, rows: int = 60, **changes: object) -> Explained:
    """Every third row is in the sample. Features matter less from the second to the last, and the first not at all."""
    draw = random.Random(4)
    sizes = [0.0, 3.0, 2.0, 1.0, 0.5, 0.25, 0.125]
    values = [[[draw.gauss(0, size) * (1 + k) for k in range(outputs)] for size in sizes] for _ in range(rows)]
    sums = [2.0 + sum(cells[k] for cells in row) for row in values for k in range(outputs)]
    means = [[sum(abs(row[f][k]) for row in values) / rows for k in range(outputs)] for f in range(len(sizes))]
    job = Explained(
        features=FEATURES,
        outputs=[f"class {k}" for k in range(outputs)],
        base_values=[2.0] * outputs,
        explains="margin",
        rows=3 * rows,
        mean_abs=means,
        interactions=Interactions(features=FEATURES[1:4], mean_abs=[[[1.0] * outputs] * 3] * 3),
        additivity=Additivity(largest_error=1e-14, tolerance=1e-9, ok=True),
        sample=Sample(
            rows=list(range(0, 3 * rows, 3)),
            data=[row_of(draw, number) for number in range(rows)],
            values=[cell for row in values for cells in row for cell in cells],
            predictions=sums,
        ),
    )
    fields = {name: getattr(job, name) for name in job.__struct_fields__}
    return Explained(**{**fields, **changes})


@pytest.fixture
def make() -> Make:
    return make_job
