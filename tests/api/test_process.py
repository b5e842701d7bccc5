"""`python -m api` as operators run it: its memory, its logs, its end."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import keys
from jobs.blobs import BATCH_BYTES
from jobs.protocol import PIECE_BYTES
from tests.api.conftest import CSV, MODEL, Web
from tests.api.player import Player

MIB = 1024 * 1024
LARGE_BYTES = 200 * MIB
GROWTH_BYTES = 15 * MIB
LIMIT_BYTES = 80 * MIB
HEAVY = {"numpy", "shap", "sklearn", "pandas", "scipy", "xgboost", "lightgbm", "treelite", "joblib", "skops"}
BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}


def part(name: str, content: bytes = b"") -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="%b"; filename="f"\r\n\r\n%b' % (name.encode(), content)


def submission(rows: Iterator[bytes]) -> Iterator[bytes]:
    yield part("model", MODEL) + b"\r\n" + part("data", b"a,b\n")
    yield from rows
    yield b"\r\n--b--\r\n"


def many_rows(size: int) -> Iterator[bytes]:
    piece = b"1.25,-3.5\n" * 10_000
    for _ in range(size // len(piece)):
        yield piece


def post(web: Web, body: Any, **headers: str) -> http.client.HTTPResponse:
    connection = web.connect()
    connection.request("POST", "/analyze", body=body, headers={**BOUNDARY, **headers}, encode_chunked=True)
    return connection.getresponse()


def job_id_of(response: http.client.HTTPResponse) -> str:
    assert response.status == 202, response.read()
    location = response.headers["Location"]
    return str(location).removeprefix("/jobs/")


def check_memory(web: Web, before: int) -> None:
    peak = web.memory("VmHWM")
    assert peak - before < GROWTH_BYTES, f"grew by {(peak - before) / MIB:.1f} MiB"
    assert peak < LIMIT_BYTES, f"{peak / MIB:.1f} MiB"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
class TestMemory:
    def test_a_large_upload_passes_through(self, web: Web, keyspace: Any) -> None:
        before = web.memory("VmRSS")
        response = post(web, submission(many_rows(LARGE_BYTES)), **{"Transfer-Encoding": "chunked"})
        job_id = job_id_of(response)
        check_memory(web, before)
        assert keyspace.hget(keys.job(job_id), "state") == b"queued"
        stored = sum(keyspace.hlen(key) for key in keyspace.scan_iter(f"{keys.BLOB_PREFIX}*"))
        assert stored > LARGE_BYTES / PIECE_BYTES

    @pytest.mark.parametrize(
        ("accept", "rows"),
        [("application/x-npy", 250_000), ("application/json", 25_000), ("text/csv", 25_000)],
    )
    def test_a_large_result_passes_through(self, web: Web, player: Player, accept: str, rows: int) -> None:
        job_id = job_id_of(post(web, b"".join(submission(iter([CSV])))))
        features = [f"f{number}" for number in range(64)]
        player.finish(job_id, zeros(rows * 64 * 8), rows=rows, features=features)
        before = web.memory("VmRSS")
        response = web.get(f"/jobs/{job_id}/result", Accept=accept)
        size = 0
        while piece := response.read(MIB):
            size += len(piece)
        assert size > rows * 64 * 3
        check_memory(web, before)

    def test_nothing_heavy_is_imported(self) -> None:
        code = f"import sys, api.__main__; print(sorted({HEAVY} & set(sys.modules)), 'child' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout == "[] False\n"


def zeros(size: int) -> Iterator[bytes]:
    piece = bytes(PIECE_BYTES)
    while size > 0:
        yield piece[:size]
        size -= PIECE_BYTES


def test_a_client_that_hangs_up_leaves_nothing(web: Web, keyspace: Any) -> None:
    with socket.create_connection(("127.0.0.1", web.port)) as connection:
        begin = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n"
        connection.sendall(begin + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
        connection.sendall(part("data", b"a,b\n" + b"1,2\n" * 200_000))
        await_that(lambda: list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")))
    await_that(lambda: not list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")))
    assert keyspace.zcard(keys.JOBS) == 0


def test_a_store_that_fills_up_at_the_very_end(web: Web, keyspace: Any) -> None:
    """The uploads are in and the job itself is refused: they must not stay behind."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        whole_batch = b"a,b\n" + b"1,2\n" * (BATCH_BYTES // 4 - 1)
        begin = b'--b\r\nContent-Disposition: form-data; name="model_id"\r\n\r\nm\r\n' + part("data", whole_batch)
        end = b"\r\n--b--\r\n"
        head = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(begin + end) + begin)
        await_that(lambda: list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")))
        keyspace.config_set("maxmemory", 1)
        try:
            connection.sendall(end)
            assert connection.recv(65536).split(b" ")[1] == b"503"
        finally:
            keyspace.config_set("maxmemory", 0)
    assert not list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*"))


@pytest.mark.parametrize(
    ("begin", "status"),
    [
        (b"Content-Length: 999999999999\r\n\r\n", b"413"),
        (b"Content-Length: 100000000\r\n\r\n" + part("data", b"PAR1" + b"x" * 5000), b"415"),
        (b"Content-Length: 100000000\r\n\r\n" + part("model", b"\x80\x04" + b"x" * 5000), b"415"),
        (b"Content-Length: 100000000\r\n\r\n" + part("data", b"\x93NUMPY\x01" + bytes(5000)), b"422"),
        (b"Content-Length: 100000000\r\n\r\n" + part("other", b"x" * 5000), b"400"),
    ],
)
def test_refused_before_the_rest_is_sent(web: Web, begin: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        head = b"POST /analyze HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        connection.sendall(head + begin)
        assert connection.recv(65536).split(b" ")[1] == status


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-npy"])
def test_half_a_result_ends_with_the_connection(web: Web, player: Player, keyspace: Any, accept: str) -> None:
    job_id = job_id_of(post(web, b"".join(submission(iter([CSV])))))
    player.finish(job_id, bytes(160_000), rows=10_000, features=["a", "b"], per_chunk=5_000, row_bytes=16)
    keyspace.zremrangebyrank(keys.results(job_id), 1, 1)
    response = web.get(f"/jobs/{job_id}/result", Accept=accept)
    assert response.status == 200
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()


def test_lines_of_the_log(web: Web) -> None:
    web.get("/livez")
    web.get("/health")
    web.get("/jobs?limit=5")
    web.get("/nope")
    assert web.stop() == 0
    lines = web.lines()
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["path"], line["status"]) for line in requests] == [
        ("GET", "/jobs", 200),
        ("GET", "/nope", 404),
    ]
    assert all(0 <= line["seconds"] < 10 for line in requests)
    assert lines[-1]["event"] == "web_stopped"


def test_probes_are_logged_for_those_who_look_closely(valkey_url: str, tmp_path: Any) -> None:
    with Web(valkey_url, tmp_path / "log", LOG_LEVEL="DEBUG") as web:
        web.get("/readyz")
    assert {line["path"] for line in web.lines() if line["event"] == "request"} == {"/livez", "/readyz"}


def test_who_waits_gets_the_job_when_the_process_leaves(web: Web, keyspace: Any) -> None:
    connection = web.connect()
    body = b"".join(submission(iter([CSV])))
    connection.request("POST", "/analyze", body=body, headers={**BOUNDARY, "Prefer": "wait=30"})
    await_that(lambda: keyspace.zcard(keys.JOBS))
    start = time.monotonic()
    web.process.terminate()
    assert connection.getresponse().status == 202
    assert web.process.wait(timeout=30) == 0
    assert time.monotonic() - start < 10


def test_sigint_ends_in_order(web: Web) -> None:
    web.process.send_signal(signal.SIGINT)
    assert web.process.wait(timeout=30) == 0


def run(**env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api"]
    own = {"PATH": os.environ["PATH"], **env}
    return subprocess.run(command, env=own, capture_output=True, text=True, timeout=30, check=False)


def test_an_unusable_environment_is_named_and_ends_with_2() -> None:
    found = run(HOST="0.0.0.0", PORT="x", LOG_LEVEL="loud")
    assert found.returncode == 2
    assert "API_TOKEN and ADMIN_TOKEN" in found.stderr
    assert "PORT='x'" in found.stderr
    assert "LOG_LEVEL" in found.stderr
    assert "Traceback" not in found.stderr


def test_callers_that_cannot_be_told_apart_end_it_with_2_and_no_token_is_said() -> None:
    found = run(API_TOKENS="alice=s3cret,alice=other,bob=s3cret,=x,s3cret", ADMIN_TOKEN="other")
    assert found.returncode == 2
    for fault in ("entry 2 has the name of entry 1", "entry 2 has the token of ADMIN_TOKEN", "entry 3 has the token"):
        assert fault in found.stderr
    for fault in ("entry 4 has no name", "entry 5 has no token"):
        assert fault in found.stderr
    assert not {"s3cret", "other"} & set(found.stderr.replace("=", " ").split())


def test_two_web_processes_know_callers_and_share_their_minute(valkey_url: str, tmp_path: Path) -> None:
    env = {"API_TOKENS": "alice=tok-alice,bob=tok-bob", "CALLER_REQUESTS_PER_MINUTE": "40"}
    alice, bob = ({"Authorization": f"Bearer tok-{name}"} for name in ("alice", "bob"))
    with Web(valkey_url, tmp_path / "one.log", **env) as one, Web(valkey_url, tmp_path / "two.log", **env) as two:
        began = time.time() // 60
        answers = [web.get("/jobs", **alice) for _ in range(30) for web in (one, two)]
        minutes = time.time() // 60 - began + 1
        passed = [answer.status for answer in answers].count(200)
        refused = [answer for answer in answers if answer.status == 429]
        assert passed + len(refused) == 60
        assert passed == 40 or (minutes > 1 and 40 < passed <= 60)
        assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
        assert one.get("/jobs", **bob).status == 200

        def logged() -> set[str]:
            requests = [line for line in one.lines() + two.lines() if line["event"] == "request"]
            return {line["caller"] for line in requests if "caller" in line}

        await_that(lambda: logged() == {"alice", "bob"})  # a request's line follows its answer
        assert "tok-" not in one.log.read_text() + two.log.read_text()


@pytest.mark.parametrize("password", ["hi@dden", "hi/dden", "hi#dden", "hi:dden"])
def test_a_password_that_is_not_percent_encoded_is_not_repeated(password: str) -> None:
    found = run(REDIS_URL=f"redis://:{password}@127.0.0.1:1/0")
    assert found.returncode == 2
    assert "must be percent-encoded" in found.stderr
    assert "dden" not in found.stdout + found.stderr


def test_a_taken_port_ends_with_1(web: Web, valkey_url: str) -> None:
    found = run(PORT=str(web.port), REDIS_URL=valkey_url)
    assert found.returncode == 1
    assert "address already in use" in found.stdout


def await_that(condition: Any) -> None:
    """Poll, bounded."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
