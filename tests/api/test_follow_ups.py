"""What follows a job's end, at real hosts: callbacks with their signature, values by PUT, files that are fetched."""

import base64
import hashlib
import hmac
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from api import follow_ups, outgoing
from jobs import keys
from jobs.records import JobError
from tests.api.conftest import CSV, MODEL, MakeClient, files
from tests.api.player import Player
from tests.api.receiver import HANGS_UP, Receiver

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
VALUES = np.arange(4, dtype=float).reshape(2, 2)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def canary() -> Iterator[Receiver]:
    """Nobody may speak to it."""
    with Receiver() as found:
        yield found
        assert found.received == []


@pytest.fixture
def client(make_client: MakeClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(follow_ups, "RETRIES_S", (0.1, 0.1))
    monkeypatch.setattr(follow_ups, "LOOK_S", 0.02)
    return make_client(callback_hosts=(receiver.address,), callback_secret=SECRET)


def submit(client: TestClient, **fields: str) -> str:
    answer = client.post("/analyze", files=files(), data=fields)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def finish(player: Player, job_id: str) -> None:
    player.finish(job_id, VALUES.tobytes(), rows=2, features=["a", "b"])


def follow_up(client: TestClient, job_id: str, state: str) -> dict[str, Any]:
    """When it has come so far."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(f"/jobs/{job_id}").json()["follow_up"]
        if found["state"] == state:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def is_signed(headers: dict[str, str], body: bytes) -> bool:
    """As receivers check it, by the specification."""
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(bytes(range(32)), content, hashlib.sha256).digest()).decode()
    return (
        headers["webhook-signature"] == f"v1,{expected}" and abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    )


@pytest.mark.parametrize("end", ["finished", "failed", "cancelled"])
def test_an_end_is_told(client: TestClient, player: Player, receiver: Receiver, end: str) -> None:
    job_id = submit(client, callback_url=f"{receiver.url}/hook?a=b")
    assert client.get(f"/jobs/{job_id}").json()["follow_up"] == {"state": "waiting"}
    act: dict[str, Callable[[], Any]] = {
        "finished": lambda: finish(player, job_id),
        "failed": lambda: player.fail(job_id, JobError(code="feature_count", message="no")),
        "cancelled": lambda: client.delete(f"/jobs/{job_id}"),
    }
    act[end]()
    ((method, path, headers, body),) = receiver.until(1)
    assert (method, path) == ("POST", "/hook?a=b")
    assert headers["webhook-id"] == job_id
    assert is_signed(headers, body)
    told = json.loads(body)
    assert (told["type"], told["data"]["job_id"], told["data"]["status"]) == (f"job.{end}", job_id, end)
    assert (told["data"]["error"] is None) is (end != "failed")
    assert told["data"]["links"]["result"] == f"/jobs/{job_id}/result"
    assert follow_up(client, job_id, "delivered")["attempts"] == 1


def test_who_fails_is_told_again(client: TestClient, player: Player, receiver: Receiver, canary: Receiver) -> None:
    """A redirect is a failure, and is not followed."""
    receiver.answers += [(500, {}, b"no"), (307, {"Location": f"{canary.url}/"}, b"")]
    job_id = submit(client, callback_url=f"{receiver.url}/hook")
    finish(player, job_id)
    seen = receiver.until(3)
    assert len({sent.headers["webhook-id"] for sent in seen}) == 1
    assert follow_up(client, job_id, "delivered")["attempts"] == 3


@pytest.mark.parametrize(("status", "attempts"), [(500, 3), (410, 1)])
def test_who_goes_on_failing_is_given_up(  # noqa: PLR0917
    client: TestClient, player: Player, receiver: Receiver, keyspace: Any, status: int, attempts: int
) -> None:
    receiver.answers += [(status, {}, b"")] * 9
    job_id = submit(client, callback_url=f"{receiver.url}/hook")
    finish(player, job_id)
    found = follow_up(client, job_id, "given_up")
    assert (found["attempts"], found["error"]) == (attempts, f"it answered {status}")
    assert keyspace.zcard(keys.FOLLOW_UPS) == 0
    assert client.get(f"/jobs/{job_id}/result").status_code == 200, "the job is none the worse"


def test_values_go_to_result_url_before_the_end_is_told(client: TestClient, player: Player, receiver: Receiver) -> None:
    receiver.answers += [(200, {}, b""), (500, {}, b"")]
    job_id = submit(client, callback_url=f"{receiver.url}/hook", result_url=f"{receiver.url}/bucket/key?X-Sig=1")
    finish(player, job_id)
    put, *posts = receiver.until(3)
    assert (put.method, put.path, [post.method for post in posts]) == ("PUT", "/bucket/key?X-Sig=1", ["POST", "POST"])
    np.testing.assert_array_equal(np.load(io.BytesIO(put.body)), VALUES)
    assert "webhook-signature" not in put.headers
    assert follow_up(client, job_id, "delivered")["result_put"] is True
    assert "X-Sig" not in client.get(f"/jobs/{job_id}").text, "signatures are shown to nobody"


def test_values_that_nobody_takes_are_no_end_of_it(client: TestClient, player: Player, receiver: Receiver) -> None:
    """Who hangs up before it answers is asked again."""
    receiver.answers.append((HANGS_UP, {}, b""))
    job_id = submit(client, result_url=f"{receiver.url}/bucket/key")
    finish(player, job_id)
    assert [sent.method for sent in receiver.until(2)] == ["PUT", "PUT"]
    found = follow_up(client, job_id, "delivered")
    assert (found["attempts"], found["result_put"]) == (2, True)


def test_what_is_fetched(client: TestClient, player: Player, receiver: Receiver, keyspace: Any) -> None:
    receiver.files = {"/data": CSV, "/model": MODEL, "/background": CSV}
    sent = {f"{name}_url": f"{receiver.url}/{name}?sig=1" for name in ("data", "model", "background")}
    answers = [client.post("/analyze", json=sent), client.post("/analyze", data=sent, files={"options": (None, "{}")})]
    assert [answer.status_code for answer in answers] == [202, 202], answers[0].text
    assert [seen.method for seen in receiver.received] == ["GET"] * 6
    blobs = [keyspace.hget(key, "0") for key in keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")]
    assert sorted(blobs) == sorted([CSV, CSV, MODEL] * 2)


@pytest.mark.parametrize(
    ("answer", "status", "code", "said"),
    [
        ((404, {}, b""), 422, "not_fetched", "it answered 404"),
        ((302, {"Location": "http://127.0.0.1/"}, b""), 422, "not_fetched", "it answered 302"),
        ((200, {}, b""), 400, "empty_body", "data"),
        ((200, {}, b"\x93NUMPY-garbage"), 422, "bad_npy", ""),
        ((200, {"Content-Length": "9", "Connection": "close"}, b"a,b\n"), 422, "not_fetched", ""),
        ((200, {"Content-Length": str(2**40)}, b""), 413, "too_large", "data_url"),
    ],
)
def test_what_cannot_be_fetched(  # noqa: PLR0917
    client: TestClient, receiver: Receiver, keyspace: Any, monkeypatch: pytest.MonkeyPatch,
    answer: Any, status: int, code: str, said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(outgoing, "SILENCE_S", 1.0)
    receiver.answers.append(answer)
    got = client.post("/analyze", json={"data_url": f"{receiver.url}/d", "model": json.loads(MODEL)})
    assert (got.status_code, got.json()["code"]) == (status, code), got.text
    assert said in got.json()["detail"]
    assert not list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*"))


@pytest.mark.parametrize("field", ["data_url", "model_url", "callback_url", "result_url"])
def test_nobody_else_is_asked(client: TestClient, canary: Receiver, receiver: Receiver, field: str) -> None:
    host, port = canary.address.split(":")
    others = {"data_url": {}, "model_url": {"data": [[1]]}}.get(field, {"data": [[1]], "model": json.loads(MODEL)})
    if field == "data_url":
        others = {"model": json.loads(MODEL)}
    for url in (
        canary.url,
        f"http://localhost:{port}/",
        f"http://2130706433:{port}/",
        f"http://0x7f000001:{port}/",
        f"http://127.1:{port}/",
        f"http://[::ffff:{host}]:{port}/",
        f"http://{receiver.address}@{canary.address}/",
        f"http://{canary.address}#{receiver.address}/",
    ):
        got = client.post("/analyze", json={**others, field: url})
        assert (got.status_code, got.json()["code"]) == (403, "forbidden_url"), (url, got.text)
    assert receiver.received == []
    assert client.get("/jobs").json()["jobs"] == []


def test_a_callback_needs_a_secret_to_sign_with(make_client: MakeClient) -> None:
    client = make_client(callback_hosts=("127.0.0.1",))
    got = client.post("/analyze", files=files(), data={"callback_url": "http://127.0.0.1:1/"})
    assert (got.status_code, got.json()["code"]) == (403, "forbidden_url")
    assert "CALLBACK_SECRET" in got.json()["detail"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"model_url": "U", "model_id": "m", "data": [[1]]}, "model_choice"),
        ({"model_url": "U", "model": {"learner": {}}, "data": [[1]]}, "model_choice"),
        ({"model": {"learner": {}}, "data": [[1]], "data_url": "U"}, "unexpected_part"),
    ],
)
def test_two_places_for_one_part(client: TestClient, receiver: Receiver, sent: dict[str, Any], code: str) -> None:
    receiver.files = {"/": CSV}
    sent = {name: f"{receiver.url}/" if value == "U" else value for name, value in sent.items()}
    got = client.post("/analyze", json=sent)
    assert (got.status_code, got.json()["code"]) == (400, code), got.text


def test_the_same_key_with_another_callback_is_another_request(client: TestClient, receiver: Receiver) -> None:
    fields = {"callback_url": f"{receiver.url}/a"}
    for url, status in ((fields["callback_url"], 202), (f"{receiver.url}/b", 422)):
        got = client.post("/analyze", files=files(), data={"callback_url": url}, headers={"Idempotency-Key": "k"})
        assert got.status_code == status, got.text


def test_what_breaks_for_one_job_is_no_end_of_all(
    client: TestClient, player: Player, receiver: Receiver, keyspace: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose record has gone is struck out; a mistake of ours costs attempts, and others are told."""
    event = follow_ups.event
    lost, broken, good = (submit(client, callback_url=f"{receiver.url}/hook") for _ in range(3))
    monkeypatch.setattr(follow_ups, "event", lambda job: event(job) if job.job_id == good else {}["nothing"])
    keyspace.delete(keys.job(lost))
    keyspace.zadd(keys.FOLLOW_UPS, {lost: 1})
    client.delete(f"/jobs/{broken}")
    assert follow_up(client, broken, "given_up") | {"at": 0} == {
        "state": "given_up",
        "attempts": 3,
        "at": 0,
        "error": "KeyError",
    }
    client.delete(f"/jobs/{good}")
    assert follow_up(client, good, "delivered")["attempts"] == 1
    assert keyspace.zcard(keys.FOLLOW_UPS) == 0


def test_a_host_that_hangs(
    client: TestClient, player: Player, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """It costs its own job an attempt, and nobody else anything."""
    monkeypatch.setattr(outgoing, "SILENCE_S", 0.5)
    receiver.answers.append((200, {"Content-Length": "5"}, b""))
    job_id = submit(client, callback_url=f"{receiver.url}/hook")
    finish(player, job_id)
    assert follow_up(client, job_id, "delivered")["attempts"] >= 1
