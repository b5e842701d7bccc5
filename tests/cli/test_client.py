"""What the service answers, as failures of the command line; against a transport that answers from a table."""

import io
import json
from typing import Any

import httpx2
import pytest

from cli.client import Client
from cli.failures import Failure, JobFailed, Refused, TimedOut, Unreachable
from cli.polling import require_finished, wait_for_end


def answering(status: int, document: Any, **headers: str) -> Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        return httpx2.Response(status, content=content, headers=headers)

    return Client("http://service", transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize(
    ("status", "code", "failure", "exit_code"),
    [
        (422, "invalid_options", Refused, 2),
        (404, "unknown_job", Refused, 2),
        (401, "unauthorized", Refused, 2),
        (409, "not_ready", Refused, 2),
        (409, "no_result", JobFailed, 1),
        (503, "storage_unavailable", Unreachable, 3),
        (500, "internal", Unreachable, 3),
    ],
)
def test_problems_become_failures_with_their_detail_and_code(status, code, failure, exit_code):
    client = answering(status, {"title": "t", "status": status, "detail": "What went wrong.", "code": code})
    with pytest.raises(failure) as raised:
        client.job("1")
    assert raised.value.message == f"What went wrong. [{code}]"
    assert raised.value.code == code
    assert raised.value.exit_code == exit_code


def test_an_answer_that_is_not_json_is_no_service_of_ours():
    with pytest.raises(Unreachable, match="address"):
        answering(200, b"<html>").job("1")


def test_an_error_that_is_not_a_problem_still_has_a_code():
    with pytest.raises(Refused) as raised:
        answering(418, b"<html>").job("1")
    assert raised.value.code == "http_418"


@pytest.mark.parametrize("error", [httpx2.ConnectError("no"), httpx2.ReadTimeout("slow"), httpx2.ReadError("cut")])
def test_nobody_there_is_unreachable(error):
    def answer(_: httpx2.Request) -> httpx2.Response:
        raise error

    with pytest.raises(Unreachable):
        Client("http://service", transport=httpx2.MockTransport(answer)).job("1")


def test_uploads_are_sent_piece_by_piece(tmp_path):
    pieces: list[int] = []

    class Counting(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            assert isinstance(request.stream, httpx2.SyncByteStream)
            pieces.extend(len(piece) for piece in request.stream)
            assert request.headers["authorization"] == "Bearer secret"
            assert request.headers["prefer"] == "wait=3"
            return httpx2.Response(202, json={"job_id": "1", "status": "queued"})

    data = tmp_path / "rows.csv"
    data.write_bytes(b"x" * 1_000_000)
    with Client("http://service", "secret", Counting()) as client:
        assert client.submit({"data": data}, {"seed": 1}, model_id="m", wait_s=3)["job_id"] == "1"
    assert sum(pieces) > 1_000_000
    assert max(pieces) < 100_000


def test_downloads_are_written_piece_by_piece():
    sink = io.BytesIO()
    assert answering(200, b"abc").download("1", sink, accept="text/csv") == 3
    assert sink.getvalue() == b"abc"


def test_a_download_without_a_result_is_a_failed_job():
    with pytest.raises(JobFailed):
        answering(409, {"code": "no_result", "detail": "d"}).download("1", io.BytesIO(), accept="text/csv")


def test_a_problem_of_a_job_that_was_waited_for_is_a_failed_job(tmp_path):
    (tmp_path / "rows.csv").write_text("a")
    problem = {"code": "timed_out", "detail": "It took too long.", "job_id": "1"}
    with pytest.raises(JobFailed, match="too long") as raised:
        answering(504, problem).submit({"data": tmp_path / "rows.csv"}, {}, wait_s=9)
    assert raised.value.code == "timed_out"


def test_waiting_gives_up_when_the_time_is_over():
    with pytest.raises(TimedOut) as raised:
        wait_for_end(answering(200, {"job_id": "1", "status": "queued"}), "1", timeout_s=0.01, show=lambda job: None)
    assert raised.value.exit_code == 4


def test_waiting_outlives_a_service_that_is_away_for_a_moment():
    answers = iter([503, 200])

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(next(answers), json={"job_id": "1", "status": "finished"})

    shown: list[dict[str, Any]] = []
    client = Client("http://service", transport=httpx2.MockTransport(answer))
    assert wait_for_end(client, "1", timeout_s=5, show=shown.append)["status"] == "finished"
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"job_id": "1", "status": "cancelled", "error": None}, "The job 1 was cancelled."),
        (
            {"job_id": "1", "status": "failed", "error": {"code": "memory_cap", "message": "Too large.", "detail": {}}},
            "The job 1 failed: Too large. [memory_cap]",
        ),
    ],
)
def test_a_job_without_values_says_why(job, message):
    with pytest.raises(JobFailed) as raised:
        require_finished(job)
    assert raised.value.message == message


def test_every_failure_has_its_own_exit_code():
    codes = {kind.exit_code for kind in Failure.__subclasses__()}
    assert codes == {1, 2, 3, 4}
