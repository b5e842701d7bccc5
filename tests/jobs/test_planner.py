"""Cutting rows into chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import planner
from jobs.planner import Pace, halves, rows_per_block, rows_that_fit, rows_worth_a_child
from jobs.spans import Spans

MIB = 1024 * 1024


@given(st.integers(1, 5_000), st.integers(1, 700))
def test_cuts_cover_every_row_once_and_none_is_larger_than_asked(rows: int, per_chunk: int) -> None:
    chunks = -(-rows // per_chunk)
    spans = [(span.first, span.last) for span in Spans.at(rows, per_chunk, [(0, 1)] * chunks)]
    assert [row for first, last in spans for row in range(first, last + 1)] == list(range(rows))
    assert all(last - first + 1 <= per_chunk for first, last in spans)


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_halves_cover_the_whole_and_differ_by_one_row_at_most(first: int, more: int) -> None:
    (a, b), (c, d) = halves(first, first + more)
    assert (a, b + 1, d) == (first, c, first + more)
    assert abs((b - a) - (d - c)) <= 1


def test_the_batch_size_is_the_most_and_the_room_may_ask_for_fewer() -> None:
    assert rows_that_fit(500, 256 * MIB, lambda rows: rows * 1_000) == 500
    few = rows_that_fit(500, 64 * MIB, lambda rows: 2 * MIB + rows * MIB)
    assert 2 * MIB + few * MIB <= planner.CAP_SHARE * 64 * MIB < 3 * MIB + few * MIB
    assert rows_that_fit(500, 1 * MIB, lambda rows: rows * MIB) == 1


def test_blocks_are_whole_vectors_of_about_the_same_bytes() -> None:
    assert rows_per_block(50, 1, interactions=False) * 50 * 8 <= planner.BLOCK_BYTES
    assert rows_per_block(5_000, 1_000, interactions=False) == planner.ROWS_PER_PASS


def test_blocks_of_large_matrices_are_whole_vectors_of_the_kernel() -> None:
    assert rows_per_block(50, 3, interactions=True) == planner.ROWS_PER_PASS
    assert rows_per_block(50, 4, interactions=True) == 48
    assert rows_per_block(200, 1, interactions=True) == 8
    assert rows_per_block(5_000, 10, interactions=True) == planner.VECTOR_ROWS == 8


def test_a_free_planner_keeps_fixed_costs_small_and_every_slot_busy() -> None:
    rows = rows_worth_a_child(10**9, Pace(1_000), slots=2)
    assert planner.FIXED_SHARE * (rows / 1_000 + planner.FIXED_S) >= planner.FIXED_S
    assert planner.FIXED_SHARE * ((rows - 2) / 1_000 + planner.FIXED_S) < planner.FIXED_S
    assert rows_worth_a_child(100, Pace(1e9), slots=3) == 34
    assert rows_worth_a_child(100, Pace(1e-9), slots=3) == 1
    dear = rows_worth_a_child(10**9, Pace(1_000, fixed_s=4 * planner.FIXED_S), slots=2)
    assert dear == pytest.approx(4 * rows, abs=4)


def test_seconds_count_the_rows_the_chunks_and_the_slots() -> None:
    alone = planner.expected_seconds(1_000, 4, Pace(100), slots=1)
    assert alone == 10 + 4 * planner.FIXED_S
    assert planner.expected_seconds(1_000, 4, Pace(100), slots=2) == alone / 2
    assert planner.expected_seconds(1_000, 1, Pace(100), slots=8) == 10 + planner.FIXED_S
    assert planner.expected_seconds(1_000, 4, Pace(100, fixed_s=1.0), slots=1) == 14


def test_a_plan_keeps_a_fifth_of_the_room_free_and_blocks_hold_about_4_mib() -> None:
    assert rows_that_fit(500, 100 * MIB, lambda rows: rows * MIB) == 80
    assert rows_per_block(50, 1, interactions=False) == 163 * 64


def test_a_child_takes_the_file_and_the_numbers_or_the_numbers_and_a_block() -> None:
    assert planner.chunk_bytes(10, 100, 500) == planner.CHILD_BYTES + 2_000
    assert planner.chunk_bytes(10, 100, 1_500) == planner.CHILD_BYTES + 2_500
    assert planner.CHILD_BYTES == 716_800


def test_a_chunk_may_fill_its_share_exactly() -> None:
    assert rows_that_fit(100, 1_000, lambda rows: 80 * rows) == 10
    assert rows_that_fit(100, 1_000, lambda rows: 80 * rows + 1) == 9
    assert rows_that_fit(3, 1_000, lambda rows: 800) == 3
    assert rows_that_fit(0, 1_000, lambda rows: 0) == 1


def test_a_block_has_its_bytes_in_floats() -> None:
    vector = planner.ROWS_PER_PASS
    most = planner.BLOCK_BYTES // (8 * vector)
    assert planner.BLOCK_BYTES == 4 * MIB
    assert rows_per_block(most, 1, interactions=False) == vector
    assert rows_per_block(most // 2, 1, interactions=False) == 2 * vector
    assert rows_per_block(most // 4, 2, interactions=False) == 2 * vector
    assert rows_per_block(32, 1, interactions=True) == most // 1024 * vector


def test_a_free_planner_takes_no_more_rows_than_it_has_to() -> None:
    worth = int(1_000 * planner.FIXED_S * (1 - planner.FIXED_SHARE) / planner.FIXED_SHARE) + 1
    assert rows_worth_a_child(10**9, Pace(1_000), slots=2) == worth == 809
    assert rows_worth_a_child(0, Pace(1_000), slots=2) == 1
    assert rows_worth_a_child(worth, Pace(1_000), slots=1) == worth


def test_more_slots_than_chunks_do_not_help_and_none_count_as_one() -> None:
    assert planner.expected_seconds(100, 2, Pace(10), slots=4) == (10 + 2 * planner.FIXED_S) / 2
    assert planner.expected_seconds(100, 2, Pace(10), slots=0) == 10 + 2 * planner.FIXED_S


def test_halves_of_the_smallest_chunk() -> None:
    assert halves(4, 5) == [(4, 4), (5, 5)]


def test_rows_that_ask_for_much_go_to_every_slot_and_none_keeps_a_child_for_long() -> None:
    least, most = planner.ASKED_LEAST, planner.ASKED_MOST
    assert planner.rows_by_asking(100, least // 10, slots=4) == 25
    assert planner.rows_by_asking(20, least // 10, slots=4) == 10  # less is not worth a child
    assert planner.rows_by_asking(1_000, most // 10, slots=4) == 10
    assert planner.rows_by_asking(1_000, 2 * most, slots=4) == 1
    assert planner.rows_by_asking(3 * planner.MAX_CHUNKS, most, slots=4) == 3
