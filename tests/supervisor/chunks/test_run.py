"""The state of one attempt: what stops it, and whether everything has arrived. Children are played."""

from typing import Any, cast

import msgspec
import pytest

from jobs.options import Options
from jobs.outcomes import Outcome
from jobs.protocol import Done, Failed, Ids, MemoryReport, Plan, Values
from jobs.queue import Lease
from jobs.records import MOST_COHORTS, OPEN, Chunk, Cohort, Job, Partial
from jobs.sample import Cell, SampledRows
from jobs.spans import Spans
from jobs.states import JobState
from supervisor.children.watch import Sample
from supervisor.chunks import run as runs
from supervisor.chunks.run import Run
from tests.supervisor.scripted import LAYOUT, MODEL, PARTIAL

ROWS = Chunk(id="2-4", kind="rows", first=2, last=4)


class Child:
    """In the place of a process."""

    def __init__(self) -> None:
        self.killed: list[Outcome] = []
        self.closed = False

    def kill(self, reason: Outcome) -> None:
        self.killed.append(reason)

    def close(self) -> None:
        self.closed = True


def run_of(chunk: Chunk = ROWS, **asked: Any) -> Run:
    options = Options(**asked)
    job = Job(job_id="j", state=JobState.STARTED, created_at=0.0, options=options, inputs={}, blobs=[])
    job.model, job.layout = MODEL, LAYOUT
    return Run(Lease(job_id="j", chunk=chunk), job, cast("Any", None), wanted_rows=0)


def test_a_sample_is_the_chunks_own_rows_whole_or_none() -> None:
    """Rows 2 to 4 of 3: the job was opened and explained at once, so that its rows are those of the chunk."""
    features, outputs = len(LAYOUT.features), len(MODEL.outputs)
    run = run_of(Chunk(id="0-2", kind="rows", first=0, last=2))
    run._wanted_rows = 9
    run.value_bytes = run.announced_bytes

    def done(rows: list[int], *, extra: bytes = b"") -> Done:
        cells = len(rows) * outputs * 8
        data: list[list[Cell]] = [["x"] * features for _ in rows]
        values = bytes(cells * features) + extra
        sample = SampledRows(rows=rows, data=data, values=values, predictions=bytes(cells))
        return Done(memory=MemoryReport(), partial=PARTIAL, sample=sample)

    assert run.is_complete(done([0, 1, 2]))
    assert run.is_complete(Done(memory=MemoryReport(), partial=PARTIAL))
    for lie in done([0, 1]), done([0, 1, 3]), done([]), done([0, 1, 2], extra=bytes(8)):
        assert not run.is_complete(lie)
    run._wanted_rows = 0
    assert not run.is_complete(done([0, 1, 2]))


def test_a_partial_has_what_the_options_ask_for_and_no_more() -> None:
    numbers = len(LAYOUT.features) * len(MODEL.outputs)

    def cohort(rows: int, sums: int = 2 * numbers) -> Cohort:
        return Cohort(label="x", rows=rows, sums=bytes(8 * sums))

    def fits(asked: dict[str, Any], **more: Any) -> bool:
        run = run_of(Chunk(id="0-2", kind="rows", first=0, last=2), **asked)
        run.value_bytes = run.announced_bytes
        return run.is_complete(Done(memory=MemoryReport(), partial=msgspec.structs.replace(PARTIAL, **more)))

    by = {"by": "a"}
    assert fits(by, cohorts=[cohort(1), cohort(2)])
    for lie in ([], [cohort(2)], [cohort(4), cohort(-1)], [cohort(3, numbers)]):
        assert not fits(by, cohorts=lie)
    assert not fits({}, cohorts=[cohort(3)])
    assert fits({"reduce": "summary"}, drawn=bytes(8 * 3 * numbers))
    assert not fits({"reduce": "summary"})
    assert not fits({}, drawn=bytes(8 * 3 * numbers))
    for sums in (b"", bytes(8 * numbers), bytes(8 * (2 * numbers + 1))):
        assert not fits({}, sums=sums)


def test_so_many_cohorts_and_no_more() -> None:
    numbers = len(LAYOUT.features) * len(MODEL.outputs)

    def fits(count: int) -> bool:
        run = run_of(Chunk(id="0-99", kind="rows", first=0, last=99), by="a")
        run.value_bytes = run.announced_bytes
        cohorts = [Cohort(label=place, rows=1, sums=bytes(2 * 8 * numbers)) for place in range(count - 1)]
        cohorts.append(Cohort(label="rest", rows=101 - count, sums=bytes(2 * 8 * numbers)))
        partial = msgspec.structs.replace(PARTIAL, cohorts=cohorts)
        return run.is_complete(Done(memory=MemoryReport(), partial=partial))

    assert fits(MOST_COHORTS)
    assert not fits(MOST_COHORTS + 1)


def test_where_no_rows_are_kept_none_are_shown() -> None:
    run = run_of(reduce="summary")
    run._wanted_rows = 9
    assert run.sample_rows == 0
    assert run_of().sample_rows == 0


def test_groups_are_fewer_than_features() -> None:
    def can_be(grouped: list[str], **asked: Any) -> bool:
        run = run_of(OPEN, **asked)
        run.data_bytes = 100
        layout = msgspec.structs.replace(LAYOUT, grouped=grouped)
        return run.can_be(Plan(layout=layout, spans=Spans.at(2, 1, [(0, 1), (1, 2)])))

    names = LAYOUT.features
    assert can_be(names, groups={"g": ["a"]})
    assert not can_be([*names, "more"], groups={"g": ["a"]})
    assert not can_be(names)


def spawned(run: Run) -> Child:
    child = Child()
    run.spawned(cast("Any", child), Sample(cap_bytes=1))
    return child


def test_who_is_stopped_loses_its_child() -> None:
    run = run_of()
    child = spawned(run)
    assert child.killed == []
    run.stop(Outcome.TIMED_OUT)
    run.stop(Outcome.CANCELLED)
    assert child.killed == [Outcome.TIMED_OUT] * 2, "the first reason counts"


def test_who_was_stopped_before_gets_no_further_child() -> None:
    run = run_of()
    run.stop(Outcome.CANCELLED)
    assert spawned(run).killed == [Outcome.CANCELLED]


@pytest.mark.parametrize(
    ("id_column", "chunk", "pieces", "had", "honest"),
    [
        ("id", ROWS, 0, False, True),
        (None, ROWS, 0, False, False),
        ("id", OPEN, 0, False, False),
        ("id", ROWS, 1, False, False),
        ("id", ROWS, 0, True, False),
    ],
)
def test_ids_come_once_before_the_values_and_where_they_were_asked_for(
    id_column: str | None, chunk: Chunk, pieces: int, had: bool, honest: bool
) -> None:
    run = run_of(chunk)
    run.job.options = Options(id_column=id_column)
    run.pieces, run.has_ids = pieces, had
    assert run.can_be(Ids(data=b"")) is honest


def test_in_the_end_nothing_is_left_of_it() -> None:
    run = run_of()
    run.end()
    child = spawned(run)
    run.end()
    assert child.killed
    assert child.closed
    assert run.sample.cap_bytes == 1


def test_a_kill_by_the_kernel_counts_from_the_beginning_on(monkeypatch: pytest.MonkeyPatch) -> None:
    kills = [3]
    monkeypatch.setattr(runs, "oom_kills", lambda: kills[0])
    run = run_of()
    assert not run.kernel_killed
    kills[0] = 4
    assert run.kernel_killed
    assert 0.0 < run.seconds < 60.0


def done(partial: Partial | None = None, summary: dict[str, Any] | None = None) -> Done:
    return Done(memory=MemoryReport(), partial=partial, summary=summary)


@pytest.mark.parametrize(
    ("value_bytes", "message", "complete"),
    [
        (24, done(PARTIAL), True),
        (23, done(PARTIAL), False),
        (25, done(PARTIAL), False),
        (24, done(), False),
        (24, Failed(kind="raised", code="raised", message=""), False),
        (24, None, False),
    ],
)
def test_rows_are_complete_with_every_value_and_their_partial(value_bytes: int, message: Any, complete: bool) -> None:
    run = run_of(ROWS)
    run.value_bytes = value_bytes
    assert run.is_complete(message) is complete


def test_a_job_is_opened_with_a_plan() -> None:
    run = run_of(OPEN)
    assert not run.is_complete(done(summary={"rows": 3}))
    run.plan = Plan(layout=LAYOUT, spans=Spans.at(0, 1, []))
    assert not run.is_complete(done())
    run.plan = Plan(layout=LAYOUT, spans=Spans.at(2, 1, [(0, 1), (1, 2)]))
    assert run.is_complete(done())


def test_a_dry_run_and_the_end_of_a_job_are_complete_with_a_summary() -> None:
    for run in (run_of(OPEN, dry_run=True), run_of(Chunk(id="close", kind="close"))):
        assert not run.is_complete(done())
        assert run.is_complete(done(summary={}))


def test_values_are_taken_up_to_those_that_were_announced() -> None:
    run = run_of()
    run.value_bytes = run.announced_bytes - 8
    assert run.can_be(Values(bytes(8)))
    assert not run.can_be(Values(bytes(9)))
