"""Cells of text as numbers: quick ways give what the careful one gives, cell by cell."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from child.rows import cells
from jobs.errors import NotNumeric

SPELLED = [
    "",
    "null",
    "true",
    "nan",
    "inf",
    "1e999",
    "+1",
    ".5",
    "5.",
    "1_0",
    '"1"',
    "0x1",
    "[1]",
    "1]",
    "1,2",
    " ",
    "1 ",
]
texts = st.one_of(
    st.floats().map(repr),
    st.integers().map(str),
    st.text(alphabet='0123456789.eE+-,[]{} "nultrfaseiNA_\t\n\u0661\u00a0', max_size=8),
    st.sampled_from(SPELLED),
)


def carefully(rows: list[list[str]]) -> np.ndarray | None:
    try:
        return np.array([[cells.number(cell) for cell in row] for row in rows])
    except ValueError:
        return None


@settings(max_examples=600, deadline=None)
@given(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=6))
@example([["0.0", "0_\u0661"]])
@example([["1,2", "3"], ["", "4"]])
def test_columns_of_text_are_what_their_cells_are(rows: list[list[str]]) -> None:
    plain = cells.is_plain(",".join(cell for row in rows for cell in row).encode())
    try:
        found = cells.numbers(rows, 0, ["a", "b"], "data", plain=plain)
    except NotNumeric:
        assert carefully(rows) is None
    else:
        np.testing.assert_array_equal(found, carefully(rows))


def test_a_column_of_numbers_that_are_no_text() -> None:
    np.testing.assert_array_equal(
        cells.numbers([[0, ""], [0.0, "2"]], 0, ["a", "b"], "data", plain=True), [[0, np.nan], [0, 2]]
    )
