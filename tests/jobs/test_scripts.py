"""The scripts' texts; and what they do beside their answers.

The data of a job leaves Redis chunk by chunk, as results are committed: in any order, halved, retried, shared.
"""

from itertools import pairwise
from typing import Any

import pytest

from jobs.blobs import BlobGone
from jobs.outcomes import Outcome
from jobs.protocol import PIECE_BYTES
from jobs.queue import Decision, Lease
from jobs.records import Chunk
from jobs.scripts import source
from jobs.spans import Span
from tests.jobs.conftest import Bench
from tests.jobs.steps import attempt, finish, lease, opened

pytestmark = pytest.mark.anyio

P = PIECE_BYTES
SCRIPTS = ("submit", "lease", "renew", "plan", "put_values", "finish", "settle", "cancel")


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_begin_with_their_shebang_and_carry_the_tables(name: str) -> None:
    lines = source(name).splitlines()
    assert lines[0].startswith("#!lua")
    assert "finished = true" in lines[1]
    assert lines[2].startswith("local CHUNK_NEXT")


@pytest.mark.parametrize("name", ["lease", "renew", "plan", "finish", "settle", "cancel"])
def test_scripts_that_end_things_run_in_a_full_redis(name: str) -> None:
    assert source(name).startswith("#!lua flags=allow-oom")


def spans(*ends: float) -> list[Span]:
    """One row each, over the data's bytes; `ends` in pieces. The first piece begins with a header."""
    cuts = [10, *(int(end * P) for end in ends)]
    return [
        Span(first=row, last=row, span_first=row, start=start, end=end)
        for row, (start, end) in enumerate(pairwise(cuts))
    ]


async def planned(bench: Bench, *ends: float, rows: int = 1) -> str:
    """A job whose rows end there; `rows` in each chunk."""
    job_id = await bench.submit(bytes(int(ends[-1] * P)))
    found = [
        Span(first=rows * s.first, last=rows * (s.last + 1) - 1, span_first=rows * s.first, start=s.start, end=s.end)
        for s in spans(*ends)
    ]
    await opened(bench, job_id, *found)
    return job_id


async def left(bench: Bench, job_id: str) -> list[int]:
    """The numbers of the pieces that are still in Redis."""
    blob = (await bench.store.job(job_id)).inputs["data"].blob
    assert blob
    fields = await bench.redis.hkeys(f"shap:blob:{blob.id}")
    return sorted(int(field) for field in fields if field.isdigit())


async def leases(bench: Bench, job_id: str) -> dict[str, Lease]:
    found = {}
    while held := await bench.queue.lease(job_id):
        found[held.chunk.id] = held
    return found


async def test_pieces_go_with_the_last_chunk_that_needs_them(bench: Bench) -> None:
    job_id = await planned(bench, 1.5, 1.75, 3, 4)
    held = await leases(bench, job_id)
    await finish(bench, held["3-3"], b"dddddddd")
    assert await left(bench, job_id) == [0, 1, 2]
    await finish(bench, held["0-0"], b"aaaaaaaa")
    assert await left(bench, job_id) == [1, 2]
    await finish(bench, held["2-2"], b"cccccccc")
    assert await left(bench, job_id) == [1], "the second chunk still needs what it shares with both"
    await finish(bench, held["1-1"], b"bbbbbbbb")
    assert await left(bench, job_id) == []
    close = await lease(bench, job_id)
    assert await finish(bench, close, b"", {"top": 1})
    assert not await bench.redis.keys("shap:blob:*")


async def test_both_halves_of_a_chunk_read_all_its_bytes(bench: Bench) -> None:
    job_id = await planned(bench, 2, 3, rows=2)
    whole = await lease(bench, job_id)
    span = whole.chunk.span
    halves = [Chunk.of_span(Span(first=row, last=row, span_first=0, start=span.start, end=span.end)) for row in (0, 1)]
    after = Decision(action="halve", counts="attempts", chunks=halves)
    await bench.queue.settle(whole, attempt("0-1", Outcome.MEMORY_CAP), after)
    held = await leases(bench, job_id)
    await finish(bench, held["1-1"], b"bbbbbbbb")
    assert await left(bench, job_id) == [0, 1, 2]
    await finish(bench, held["0-0"], b"aaaaaaaa")
    assert await left(bench, job_id) == [2]


async def test_a_chunk_that_is_tried_again_finds_its_rows(bench: Bench) -> None:
    job_id = await planned(bench, 1, 2)
    held = await lease(bench, job_id)
    await bench.queue.settle(held, attempt("0-0", Outcome.CRASHED), Decision(action="retry", counts="attempts"))
    assert await left(bench, job_id) == [0, 1]
    stale, fresh = held, await lease(bench, job_id)
    await finish(bench, fresh, b"aaaaaaaa")
    assert not await finish(bench, stale, b"xxxxxxxx")
    assert await left(bench, job_id) == [1], "a late finisher frees nothing"


async def test_a_commit_that_is_sent_twice_frees_once(bench: Bench) -> None:
    job_id = await planned(bench, 0.5, 1)
    script: Any = bench.queue._scripts["finish"]

    async def twice(**arguments: Any) -> Any:
        await script(**arguments)
        return await script(**arguments)

    bench.queue._scripts["finish"] = twice
    await finish(bench, await lease(bench, job_id), b"aaaaaaaa")
    assert await left(bench, job_id) == [0]


async def test_a_piece_that_is_gone_is_named_so(bench: Bench) -> None:
    job_id = await planned(bench, 1, 2)
    await finish(bench, await lease(bench, job_id), b"aaaaaaaa")
    blob = (await bench.store.job(job_id)).inputs["data"].blob
    assert blob
    assert await bench.store.blobs.read(blob, P, P) == bytes(P)
    with pytest.raises(BlobGone):
        await bench.store.blobs.read(blob, 0, P)
