"""Values of committed chunks, in the order of the rows, whatever the order in which they came."""

import msgspec
import pytest

from jobs import errors, keys
from jobs.blobs import IDS
from jobs.queue import Lease
from jobs.states import JobState
from tests.jobs.conftest import Bench
from tests.jobs.steps import PARTIAL, attempt, done, lease, opened, span

pytestmark = pytest.mark.anyio

ROWS = bytes(range(1, 13))
"""A byte for each of twelve rows, in four chunks of three."""


async def leases(bench: Bench) -> tuple[str, list[Lease]]:
    job_id = await bench.submit()
    await opened(bench, job_id, *(span(first, first + 2) for first in range(0, 12, 3)))
    return job_id, [await lease(bench, job_id) for _ in range(4)]


async def commit(bench: Bench, *held: Lease) -> None:
    """Each chunk's values come in pieces of two bytes and one."""
    for one in held:
        first = one.chunk.first
        for number, piece in enumerate((ROWS[first : first + 2], ROWS[first + 2 : first + 3])):
            assert await bench.queue.put_values(one, number, piece)
        assert await bench.queue.finish(one, attempt(one.chunk.id), done(PARTIAL))


async def read(bench: Bench, job_id: str, first: int, last: int) -> bytes:
    return b"".join([piece async for piece in bench.store.results.read(job_id, row_bytes=1, first=first, last=last)])


async def test_any_rows_of_any_chunks(bench: Bench) -> None:
    job_id, held = await leases(bench)
    await commit(bench, *reversed(held))
    for first in range(12):
        for last in range(first, 12):
            assert await read(bench, job_id, first, last) == ROWS[first : last + 1]
    assert await read(bench, job_id, 0, 99) == ROWS
    assert await read(bench, job_id, 5, 4) == b""


async def test_they_end_before_a_chunk_that_is_missing(bench: Bench) -> None:
    job_id, held = await leases(bench)
    await commit(bench, held[0], held[2])
    assert await read(bench, job_id, 1, 11) == ROWS[1:3]
    assert await read(bench, job_id, 7, 11) == ROWS[7:9]
    assert await read(bench, job_id, 3, 11) == b""


async def test_more_than_are_looked_up_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.results.READ_AHEAD", 1)
    job_id, held = await leases(bench)
    await commit(bench, *held)
    assert await read(bench, job_id, 0, 11) == ROWS


async def test_who_waits_gets_them_as_they_come(bench: Bench) -> None:
    job_id, held = await leases(bench)
    left = list(held)

    async def more() -> bool:
        await commit(bench, left.pop(0))
        return bool(left)

    pieces = bench.store.results.read(job_id, row_bytes=1, first=0, last=11, more=more)
    found = [piece async for piece in pieces]
    assert b"".join(found) == ROWS
    assert found[0] == b"", "before it waits"
    assert found.count(b"") == 4
    assert not left


async def test_who_waits_for_what_never_comes_is_not_kept(bench: Bench) -> None:
    job_id, held = await leases(bench)
    await commit(bench, held[0])
    asked = []

    async def more() -> bool:
        asked.append(True)
        return len(asked) < 3

    pieces = bench.store.results.read(job_id, row_bytes=1, first=0, last=11, more=more)
    assert b"".join([piece async for piece in pieces]) == ROWS[:3]
    assert len(asked) == 3


async def test_a_piece_that_has_gone_is_an_expired_result(bench: Bench) -> None:
    job_id, held = await leases(bench)
    await commit(bench, *held)
    await bench.redis.delete(keys.values(job_id))
    with pytest.raises(errors.ResultExpired, match="60 seconds"):
        await read(bench, job_id, 0, 11)


async def test_ids_are_those_of_a_whole_chunk_or_have_expired(bench: Bench) -> None:
    """Ids that are too many or too few would stand beside other rows."""
    job_id, held = await leases(bench)
    await commit(bench, *held)
    place = f"3-5:{held[1].token}:{IDS}"
    for stored, found in (([7, "b", None], True), ([7, "b"], False), ([7, "b", None, 8], False), ([], False)):
        await bench.redis.hset(keys.values(job_id), place, msgspec.msgpack.encode(stored))
        if found:
            assert await bench.store.results.ids(job_id, 4) == (3, stored)
        else:
            with pytest.raises(errors.ResultExpired):
                await bench.store.results.ids(job_id, 4)
    await bench.redis.hset(keys.values(job_id), place, b"\xc1")
    for row in (4, 0, 99):
        with pytest.raises(errors.ResultExpired):
            await bench.store.results.ids(job_id, row)


async def test_values_are_forgotten_when_asked(bench: Bench) -> None:
    job_id, held = await leases(bench)
    await commit(bench, *held[:3])
    assert await bench.store.results.exist(job_id)
    with pytest.raises(errors.NotReady):
        await bench.store.forget_values(job_id)
    await commit(bench, held[3])
    close = await lease(bench, job_id)
    assert await bench.queue.finish(close, attempt("close"), done(summary={"top": 1}))
    await bench.store.forget_values(job_id)
    assert not await bench.store.results.exist(job_id)
    assert not await bench.redis.exists(keys.values(job_id))
    assert (await bench.store.job(job_id)).state is JobState.FINISHED
