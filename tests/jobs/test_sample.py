"""Which rows of a job are shown, and where they lie: drawn span by span, kept with the result, gone with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import sample
from jobs.protocol import MAX_FRAME_BYTES, MOST_VALUES, Done, MemoryReport, encode
from jobs.records import MOST_COHORT_NUMBERS, MOST_PAIRS, Cohort, Partial
from jobs.sample import SampledRows, drawn
from tests.jobs.conftest import Bench
from tests.jobs.steps import PARTIAL, attempt, done, finish, lease, opened, span
from tests.jobs.steps import sample as sampled


@given(total=st.integers(1, 3000), most=st.integers(0, 300), seed=st.integers(0, 9), data=st.data())
def test_spans_draw_what_the_whole_draws(total: int, most: int, seed: int, data: st.DataObject) -> None:
    """However the rows are cut: exactly as many as are wanted, one of each stretch of equal length."""
    whole = drawn(0, total - 1, total=total, most=most, seed=seed)
    cuts = sorted(data.draw(st.sets(st.integers(1, total), max_size=5)) | {total})
    parts = [drawn(a, b - 1, total=total, most=most, seed=seed) for a, b in zip([0, *cuts], cuts, strict=False)]
    assert [row for part in parts for row in part] == whole
    assert len(whole) == min(most, total)
    assert all(n * total // most <= row < -(-(n + 1) * total // most) for n, row in enumerate(whole) if total > most)


def test_a_seed_draws_others() -> None:
    one, other = (drawn(0, 99_999, total=100_000, most=1000, seed=seed) for seed in (0, 1))
    assert len(set(one) & set(other)) < 100
    middle = sum(one) / len(one)
    assert 48_000 < middle < 52_000


def test_wide_rows_are_kept_in_smaller_number() -> None:
    assert sample.most_rows(1000, 50, 1) == 1000
    assert sample.most_rows(1000, 1000, 10) == sample.MOST_BYTES // (1000 * 144)
    assert sample.most_rows(1000, 10**7, 10) == 1
    assert sample.most_rows(0, 10**7, 10) == 0


def test_what_does_not_fit_is_no_sample() -> None:
    right = SampledRows(rows=[3, 7], data=[[1.0, None], ["a", 2.0]], values=bytes(64), predictions=bytes(32))
    assert right.fits([3, 7], 2, 2)
    for wrong in ([3], 2, 2), ([3, 8], 2, 2), ([3, 7], 3, 2), ([3, 7], 2, 1):
        assert not right.fits(*wrong)


@pytest.mark.anyio
async def test_it_is_kept_and_forgotten_with_the_values(bench: Bench) -> None:
    job_id = await bench.submit()
    await opened(bench, job_id, span(0, 2), span(3, 5), span(6, 8))
    held = [await lease(bench, job_id) for _ in range(3)]
    for one in reversed(held[:2]):
        assert await bench.queue.finish(one, attempt(one.chunk.id), done(PARTIAL, None, sampled(one.chunk.first)))
    assert not await bench.queue.finish(held[0], attempt("0-2"), done(PARTIAL, None, sampled(1))), "once"
    assert [found.rows for found in await bench.store.results.sample(job_id)] == [[0], [3]]
    await finish(bench, held[2], b"x")
    await bench.queue.finish(await lease(bench, job_id), attempt("close"), done(summary={"top": 1}))
    assert len(await bench.store.results.sample(job_id)) == 2
    await bench.store.forget_values(job_id)
    assert await bench.store.results.sample(job_id) == []


def test_the_largest_sample_fits_one_frame() -> None:
    """One chunk may hold all of it: text of the most bytes in every cell."""
    rows = sample.most_rows(1000, 100, 3)
    text, cells = "\u20ac" * (sample.TEXT_BYTES // 3), rows * 3 * 8
    kept = SampledRows(
        rows=list(range(rows)), data=[[text] * 100] * rows, values=bytes(100 * cells), predictions=bytes(cells)
    )
    assert len(encode(Done(memory=MemoryReport(), sample=kept))) < MAX_FRAME_BYTES * 3 // 4


def test_all_that_a_chunk_tells_at_most_fits_one_frame() -> None:
    kept = SampledRows(rows=[0], data=[[]], values=bytes(sample.MOST_BYTES), predictions=b"")
    cohort = Cohort(label="one", rows=1, sums=bytes(2 * 8 * MOST_COHORT_NUMBERS))
    for values, cohorts in ((MOST_VALUES, []), (MOST_COHORT_NUMBERS, [cohort])):
        sums, pairs = bytes(2 * 8 * values), bytes(8 * MOST_PAIRS)
        partial = Partial(rows=1, sums=sums, largest_error=0.0, tolerance=1.0, cohorts=cohorts, pair_sum=pairs)
        assert len(encode(Done(memory=MemoryReport(), partial=partial, sample=kept))) < MAX_FRAME_BYTES


def test_the_summary_of_most_outputs_fits_one_frame_with_the_sample() -> None:
    """Of two features; names of outputs take a megabyte at most."""
    kept = SampledRows(rows=[0], data=[[]], values=bytes(sample.MOST_BYTES), predictions=b"")
    outputs = MOST_VALUES // 2
    sums = [[1.5] * outputs] * 2
    summary = {"mean_abs_shap": sums, "mean_shap": sums, "outputs": ["123456789"] * outputs, "base_values": sums[0]}
    assert len(encode(Done(memory=MemoryReport(), sample=kept, summary=summary))) < MAX_FRAME_BYTES
