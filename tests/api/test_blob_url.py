"""The web process with BLOB_URL: bytes go to a directory or to S3 (a stand-in), records to Redis."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from api.admission import ADMITTED_SHARE
from jobs import keys
from jobs.protocol import PIECE_BYTES
from tests.api.conftest import MODEL, MakeClient, Web, files
from tests.api.player import Player
from tests.api.test_process import MIB, check_memory, job_id_of, many_rows, post, run, submission
from tests.s3 import BUCKET, S3

Listing = Callable[[], list[str]]
LARGE = b"a,b\n" + b"1,2\n" * 200_000
VALUES = np.arange(10.0).reshape(5, 2)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with S3() as found:
        for name, value in found.env.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture(params=["file", "s3"])
def blob_url(request: pytest.FixtureRequest, s3: S3, tmp_path: Path) -> str:
    return f"file://{tmp_path}/blobs" if request.param == "file" else f"s3://{BUCKET}"


@pytest.fixture
def listing(blob_url: str, s3: S3, tmp_path: Path) -> Listing:
    """The names of all objects."""
    directory = tmp_path / "blobs"

    def names() -> list[str]:
        found = (str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
        return sorted(found if blob_url.startswith("file") else s3.objects)

    return names


@pytest.fixture
def client(make_client: MakeClient, blob_url: str) -> TestClient:
    return make_client(blob_url=blob_url)


def test_from_upload_to_result(
    client: TestClient, valkey_url: str, blob_url: str, listing: Listing, keyspace: Any
) -> None:
    job_id = client.post("/analyze", files=files(data=("d", LARGE))).json()["job_id"]
    assert len(listing()) == -(-len(LARGE) // PIECE_BYTES) + 1
    assert max(keyspace.memory_usage(key) for key in keyspace.scan_iter("*")) < PIECE_BYTES
    player = Player(valkey_url, blob_url)
    player.finish(job_id, VALUES.tobytes(), rows=5, features=["a", "b"], per_chunk=2, row_bytes=16)
    for query in ("", "?stream=true"):
        response = client.get(f"/jobs/{job_id}/result{query}", headers={"accept": "application/x-npy"})
        assert np.array_equal(np.load(io.BytesIO(response.content)), VALUES)
    assert client.get(f"/jobs/{job_id}/result?rows=3-3").json()["values"] == [[6.0, 7.0]]
    assert client.delete(f"/jobs/{job_id}/result").status_code == 204
    assert player.act(lambda queue: queue.blobs.sweep()) == 3, "two uploads and the results"
    assert listing() == []


def test_what_is_refused_leaves_nothing(client: TestClient, listing: Listing) -> None:
    response = client.post("/analyze", files=files(data=("d", LARGE), model=("m", b"\x80\x04")))
    assert response.json()["code"] == "pickle_refused"
    assert listing() == []


def test_a_registered_model(client: TestClient, valkey_url: str, blob_url: str, listing: Listing) -> None:
    client.put("/models/churn", content=MODEL)
    client.delete(
        f"/jobs/{client.post('/analyze', files=files(model=None), data={'model_id': 'churn'}).json()['job_id']}"
    )
    player = Player(valkey_url, blob_url)
    assert player.act(lambda queue: queue.blobs.sweep()) == 1
    assert len(listing()) == 1, "the model stays"


def test_a_store_that_refuses_is_away_and_tells_no_secret(make_client: MakeClient, s3: S3, keyspace: Any) -> None:
    client = make_client(blob_url=f"s3://{BUCKET}")
    s3.failing = True
    response = client.post("/analyze", files=files())
    assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
    assert response.headers["retry-after"] == "2"
    assert "secret" not in response.text
    assert keyspace.zcard(keys.JOBS) == 0


class TestTheProcess:
    def test_a_large_upload_passes_through(self, valkey_url: str, tmp_path: Path) -> None:
        with Web(valkey_url, tmp_path / "web.log", BLOB_URL=f"file://{tmp_path}/blobs") as web:
            before = web.memory("VmRSS")
            job_id_of(post(web, submission(many_rows(50 * MIB)), **{"Transfer-Encoding": "chunked"}))
            check_memory(web, before)

    @pytest.mark.parametrize("url", ["file:///proc/nothing", "s3://another", "https://x"])
    def test_a_wrong_one_is_named_at_the_start(self, s3: S3, url: str) -> None:
        found = run(BLOB_URL=url, **s3.env)
        assert found.returncode == 2
        assert "BLOB_URL: " in found.stderr
        assert "Traceback" not in found.stderr
        assert "secret" not in found.stderr


def test_what_lies_elsewhere_takes_no_room_in_the_store(client: TestClient, keyspace: Any) -> None:
    """An upload is let in where Redis has room for little more than its record, and not where it has none. What it
    would take neither counts against it nor for it.
    """
    used = keyspace.info("memory")["used_memory"]
    try:
        for most, status in ((used + MIB, 202), (int((used - MIB // 8) / ADMITTED_SHARE), 503)):
            keyspace.config_set("maxmemory", most)
            assert client.post("/analyze", files=files(data=("d", LARGE))).status_code == status
    finally:
        keyspace.config_set("maxmemory", 0)
