"""The same over every store for bytes: Redis, a directory, and S3 (a stand-in); and what only object stores do."""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from jobs import keys, object_store
from jobs.blob_location import check_blobs, open_blobs
from jobs.blobs import BATCH_BYTES, BlobGone, BlobsAway, BlobStore, BlobWriter
from jobs.outcomes import Outcome
from jobs.protocol import PIECE_BYTES, Plan, Whole
from jobs.queue import Decision, Lease
from jobs.settings import InvalidSettings, Settings, load_settings
from jobs.spans import Spans
from jobs.states import JobState
from tests.jobs.conftest import Bench
from tests.jobs.steps import LAYOUT, PARTIAL, attempt, done, finish, found, lease, opened, span
from tests.s3 import BUCKET, S3

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(2 * PIECE_BYTES + 1000)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with S3() as found:
        for name, value in found.env.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture(params=["redis", "file", "s3"])
def blob_url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if request.param == "s3":
        request.getfixturevalue("s3")
    return {"redis": None, "file": f"file://{tmp_path}/blobs", "s3": f"s3://{BUCKET}/some/prefix"}[request.param]


@pytest.fixture
async def bench(valkey_url: str, blob_url: str | None, anyio_backend: str) -> AsyncIterator[Bench]:
    redis = Redis.from_url(valkey_url)
    bench = Bench(valkey_url, open_blobs(Settings(blob_url=blob_url), redis))
    yield bench
    await bench.redis.aclose()
    await redis.aclose()


@pytest.fixture
def blobs(bench: Bench) -> BlobStore:
    return bench.store.blobs


async def names(bench: Bench) -> list[str]:
    """Everything that lies in the object store."""
    store = getattr(bench.store.blobs, "_store", None)
    return sorted([found["path"] async for page in object_store.obstore.list(store) for found in page]) if store else []


async def kept(bench: Bench) -> int:
    """Pieces of uploads, wherever they lie."""
    fields = [await bench.redis.hkeys(key) for key in await bench.redis.keys("shap:blob:*")]
    in_redis = sum(field.isdigit() for found in fields for field in found)
    return in_redis + sum(name.startswith("uploads/") for name in await names(bench))


async def test_uploads_are_read_back_at_any_offset(bench: Bench, blobs: BlobStore) -> None:
    writer = BlobWriter(blobs)
    for start in range(0, len(CONTENT), 70_001):
        await writer.write(CONTENT[start : start + 70_001])
    blob = await writer.finish()
    for offset, length in ((0, 10), (PIECE_BYTES - 5, 10), (2 * PIECE_BYTES + 990, 100), (len(CONTENT), 5), (3, 0)):
        assert await blobs.read(blob, offset, length) == CONTENT[offset : offset + length]
    assert 0 < await bench.redis.ttl(keys.blob(blob.id)) <= 3600
    await writer.discard()
    assert await kept(bench) == 0
    with pytest.raises(BlobGone):
        await blobs.read(blob, 0, 1)


async def test_pieces_are_whole_however_an_upload_comes(blobs: BlobStore) -> None:
    """All but the last: a reader finds a byte by its piece."""
    content = os.urandom(BATCH_BYTES + PIECE_BYTES + 12_345)
    writer = BlobWriter(blobs)
    for start in range(0, len(content), 100_001):
        await writer.write(content[start : start + 100_001])
    blob = await writer.finish()
    for offset in (0, PIECE_BYTES - 5, BATCH_BYTES - 5, BATCH_BYTES + PIECE_BYTES - 5):
        assert await blobs.read(blob, offset, 10) == content[offset : offset + 10]


async def test_strips_of_an_upload(blobs: BlobStore) -> None:
    writer = BlobWriter(blobs)
    await writer.write(CONTENT)
    blob = await writer.finish()
    for offset, length, step, count in ((5, 3, 8_001, 64), (PIECE_BYTES - 5, 10, PIECE_BYTES, 2), (7, 1, 0, 1)):
        starts = range(offset, offset + count * step, step) if step else [offset]
        expected = b"".join(CONTENT[start : start + length] for start in starts)
        assert await blobs.read_strips(blob, offset, length, step, count) == expected
    await writer.discard()
    with pytest.raises(BlobGone):
        await blobs.read_strips(blob, 0, 1, 1, 2)


async def test_an_empty_upload(blobs: BlobStore) -> None:
    blob = await BlobWriter(blobs).finish()
    assert (blob.size, await blobs.read(blob, 0, 10)) == (0, b"")


@pytest.mark.parametrize("size", [1, PIECE_BYTES, PIECE_BYTES + 1, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1])
async def test_an_upload_is_known_by_its_size_and_its_hash(bench: Bench, blobs: BlobStore, size: int) -> None:
    content = os.urandom(size)
    writer = BlobWriter(blobs)
    for start in range(0, size, PIECE_BYTES // 3):
        await writer.write(content[start : start + PIECE_BYTES // 3])
    blob = await writer.finish()
    assert (blob.id, blob.size, blob.sha256) == (writer.id, size, hashlib.sha256(content).hexdigest())
    assert await blobs.read(blob, 0, size + 1) == content
    assert await blobs.read(blob, size - 1, 1) == content[-1:]
    assert await kept(bench) == -(-size // PIECE_BYTES)


async def test_a_jobs_whole_life(bench: Bench, blobs: BlobStore) -> None:
    job_id = await bench.submit(CONTENT)
    half = PIECE_BYTES // 8
    await opened(bench, job_id, span(0, half - 1), span(half, 2 * half - 1))
    for value in (b"aaaaaaaa", b"bbbbbbbb"):
        assert await finish(bench, await lease(bench, job_id), value)
    assert await kept(bench) == 1, "the last piece has no rows, and stays to the end"
    assert await finish(bench, await lease(bench, job_id), b"", {"top": 1})
    found = [piece async for piece in bench.store.results.read(job_id, row_bytes=8, first=half - 2, last=half + 1)]
    assert b"".join(found) == b"a" * 16 + b"b" * 16
    await blobs.sweep()
    assert await kept(bench) == 0


async def test_values_are_kept_under_their_token_and_number(bench: Bench, blobs: BlobStore) -> None:
    job_id = await bench.submit(CONTENT)
    held = await opened(bench, job_id, span(0, 4))
    for number in (0, 1):
        assert await bench.queue.put_values(held, number, b"ab"[number:] * 8)
    assert await blobs.get_values(job_id, "0-4", held.token, 0) == b"ab" * 8
    assert await blobs.get_values(job_id, "0-4", held.token, 1) == b"b" * 8
    assert await blobs.get_values(job_id, "0-4", held.token, 2) is None
    assert await blobs.get_values(job_id, "0-4", held.token + 1, 0) is None


async def test_values_end_with_their_job(bench: Bench, blobs: BlobStore) -> None:
    job_id = await bench.submit(CONTENT)
    held = await opened(bench, job_id, span(0, 4))
    assert await finish(bench, held, b"aaaaaaaa", {"top": 1})
    await blobs.sweep()
    assert [piece async for piece in bench.store.results.read(job_id, row_bytes=8, first=0, last=4)]
    await bench.redis.delete(keys.SWEEP)
    await bench.store.forget_values(job_id)
    await blobs.sweep()
    assert [name for name in await names(bench) if name.startswith("results/")] == []
    assert await blobs.get_values(job_id, "0-4", held.token, 0) is None


async def test_values_of_a_failed_attempt_go(bench: Bench, blobs: BlobStore) -> None:
    job_id = await bench.submit(CONTENT)
    held = await opened(bench, job_id, span(0, 4))
    for number in range(5):
        await blobs.put_values(job_id, "0-4", held.token, number, b"x")
    await blobs.put_values(job_id, "0-4", held.token * 10, 0, b"another attempt's")
    await blobs.drop_values(job_id, "0-4", held.token)
    assert [name for name in await names(bench) if f".{held.token}/" in name] == []


async def test_a_small_job_is_written_at_once(bench: Bench, blobs: BlobStore) -> None:
    """Once, though it is sent twice; and a store that has forgotten its scripts is told them again."""
    job_id = await bench.submit(CONTENT)
    held = await lease(bench, job_id)
    held.chunk = held.chunk.opened(span(0, 4))
    plan = Plan(layout=LAYOUT, spans=Spans.at(5, 5, [(0, 1)]))
    whole = Whole(plan=plan, values=bytes(40), done=done(PARTIAL, {"top": 1}))
    stale = Lease(job_id=job_id, chunk=replace(held.chunk, token=held.token + 1), fields=held.fields)
    await bench.redis.script_flush()
    for one, written in ((stale, False), (held, True), (held, False)):
        assert await bench.queue.finish_at_once(one, attempt("0-4"), found(span(0, 4)), whole) is written
    job = await bench.store.job(job_id)
    assert (job.state, job.rows, job.summary, job.attempts) == (JobState.FINISHED, 5, {"top": 1}, 1)
    assert await blobs.get_values(job_id, "0-4", held.token, 0) == bytes(40)


async def test_whoever_settles_a_failed_attempt_lets_its_values_go(bench: Bench, blobs: BlobStore) -> None:
    job_id = await bench.submit(CONTENT)
    held = await opened(bench, job_id, span(0, 4))
    assert await bench.queue.put_values(held, 0, b"x")
    assert await bench.queue.settle(held, attempt("0-4", Outcome.RAISED), Decision(action="retry", counts="attempts"))
    assert [name for name in await names(bench) if f".{held.token}/" in name] == []


class TestObjects:
    @pytest.fixture(params=["file", "s3"])
    def blob_url(self, request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
        if request.param == "s3":
            request.getfixturevalue("s3")
        return f"file://{tmp_path}/blobs" if request.param == "file" else f"s3://{BUCKET}"

    async def test_redis_holds_no_bytes(self, bench: Bench) -> None:
        job_id = await bench.submit(CONTENT)
        held = await opened(bench, job_id, span(0, 4))
        await finish(bench, held, b"aaaaaaaa", {"top": 1})
        sizes = [await bench.redis.memory_usage(key) for key in await bench.redis.keys("*")]
        assert max(sizes) < 5000

    async def test_the_sweep_leaves_what_is_wanted(self, bench: Bench, blobs: BlobStore) -> None:
        waiting, running, done, failed = [await bench.submit(CONTENT) for _ in range(4)]
        await bench.upload(CONTENT)
        await blobs.put_values(running, "0-4", (await opened(bench, running, span(0, 4))).token, 0, b"x")
        held = await opened(bench, done, span(0, 4))
        await finish(bench, held, b"aaaaaaaa", {"top": 1})
        await blobs.put_values(failed, "0-4", (await opened(bench, failed, span(0, 4))).token, 0, b"x")
        await bench.store.cancel(failed)
        assert await blobs.sweep() == 3, "two uploads and one result"
        folders = {name.split("/")[1] for name in await names(bench)}
        assert {running, done} < folders
        assert failed not in folders
        assert len([name for name in await names(bench) if name.startswith("uploads/")]) == 3 * 3
        assert (await bench.store.job(waiting)).state == "queued"

    async def test_one_sweep_a_minute(self, bench: Bench, blobs: BlobStore) -> None:
        await bench.submit(CONTENT)
        await bench.redis.delete(*await bench.redis.keys("shap:blob:*"))
        assert [await blobs.sweep(), await blobs.sweep()] == [1, 0]
        assert await bench.redis.ttl(keys.SWEEP) > 0

    async def test_an_empty_store_can_be_swept(self, blobs: BlobStore) -> None:
        assert await blobs.sweep() == 0


async def test_a_store_that_refuses(s3: S3, valkey_url: str) -> None:
    redis = Redis.from_url(valkey_url)
    blobs = open_blobs(Settings(blob_url=f"s3://{BUCKET}"), redis)
    s3.failing = True
    with pytest.raises(BlobsAway) as caught:
        await blobs.append("blob", 0, [CONTENT])
    assert "secret" not in str(caught.value)
    await redis.aclose()


class TestAtTheStart:
    def test_all_is_well(self, s3: S3, tmp_path: Path) -> None:
        for url in (f"s3://{BUCKET}", f"file://{tmp_path}/new/directory", None):
            check_blobs(Settings(blob_url=url))
        assert s3.objects == {}

    @pytest.mark.parametrize("url", ["s3://another", "file:///proc/nothing"])
    def test_where_nothing_can_be_written(self, s3: S3, url: str) -> None:
        with pytest.raises(InvalidSettings, match=r"BLOB_URL: .+") as caught:
            check_blobs(Settings(blob_url=url))
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize("url", ["s3://bucket", "gs://bucket/below", "file:///var/blobs"])
    def test_urls_that_are_right(self, url: str) -> None:
        assert load_settings({"BLOB_URL": url}).blob_url == url

    @pytest.mark.parametrize(
        ("url", "fault"),
        [
            ("ftp://bucket", "it must begin with s3://, gs://, az://, file://"),
            ("s3://", "it names no bucket"),
            ("file://", "it names no directory"),
            ("s3://key:secret@bucket", "belong into the environment"),
            ("s3://bucket?secret=1", "belong into the environment"),
        ],
    )
    def test_urls_that_are_wrong(self, url: str, fault: str) -> None:
        with pytest.raises(InvalidSettings, match=fault) as caught:
            load_settings({"BLOB_URL": url})
        assert "secret" not in str(caught.value)

    def test_without_the_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobs.settings.find_spec", lambda name: None)
        with pytest.raises(InvalidSettings, match=r"shap-supervisor\[blobs\]"):
            load_settings({"BLOB_URL": "s3://bucket"})


def test_obstore_is_imported_for_it_alone() -> None:
    import subprocess
    import sys

    code = "import sys, api.__main__, supervisor.__main__; print('obstore' in sys.modules)"
    found: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
