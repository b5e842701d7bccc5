"""Cutting rows into chunks."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.planner import cut, halves, row_bytes, rows_per_chunk

MIB = 1024 * 1024


@given(st.integers(1, 5_000), st.integers(1, 700))
def test_cuts_cover_every_row_once_and_none_is_larger_than_asked(rows: int, per_chunk: int) -> None:
    spans = list(cut(rows, per_chunk))
    assert [row for first, last in spans for row in range(first, last + 1)] == list(range(rows))
    assert all(last - first + 1 <= per_chunk for first, last in spans)


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_halves_cover_the_whole_and_differ_by_one_row_at_most(first: int, more: int) -> None:
    (a, b), (c, d) = halves(first, first + more)
    assert (a, b + 1, d) == (first, c, first + more)
    assert abs((b - a) - (d - c)) <= 1


def test_the_batch_size_is_the_most_and_the_cap_may_ask_for_fewer() -> None:
    assert rows_per_chunk(500, 256 * MIB, features=50, outputs=1, interactions=False) == 500
    few = rows_per_chunk(500, 64 * MIB, features=200, outputs=10, interactions=True)
    assert 1 <= few < 50
    assert few * row_bytes(200, 10, interactions=True) <= 32 * MIB
    assert rows_per_chunk(500, 1 * MIB, features=5_000, outputs=10, interactions=True) == 1
    assert rows_per_chunk("auto", 256 * MIB, features=5, outputs=1, interactions=False) > 500
