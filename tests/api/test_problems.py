"""Errors as RFC 9457 problems, for every problem and every way to meet one."""

import logging
from typing import Any

import msgspec
import pytest
import redis
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.testclient import TestClient

from api.problems import HANDLERS, ProblemDetails, document, respond
from jobs import errors
from jobs.errors import all_problems


def test_codes_are_unique() -> None:
    codes = [problem.code for problem in all_problems()]
    assert len(codes) == len(set(codes))


def test_members() -> None:
    assert msgspec.to_builtins(document(errors.UnknownJob(job_id="x"), ProblemDetails)) == {
        "type": "urn:shap-supervisor:problem:unknown_job",
        "title": "Unknown job",
        "status": 404,
        "code": "unknown_job",
        "detail": "There is no job x: it never was, it ended more than JOB_TTL_S ago, or the job store has lost it. "
        "Submit it again, or ask /jobs for those that there are.",
        "data": {"job_id": "x"},
    }
    assert "data" not in msgspec.to_builtins(document(errors.StorageFull(), ProblemDetails))


def test_an_unknown_route(client: TestClient) -> None:
    for path in ("/nope", "/jobs/", "/analyze/"):
        response = client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["data"] == {"path": path}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/analyze", {"POST"}), ("PUT", "/jobs/x", {"GET", "HEAD", "DELETE"}), ("POST", "/", {"GET", "HEAD"})],
)
def test_an_unknown_method(client: TestClient, method: str, path: str, allowed: set[str]) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


async def explode(_: Any) -> Any:
    raise RuntimeError("secret detail")


async def teapot(_: Any) -> Any:
    raise HTTPException(418)


def test_an_unexpected_exception_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette(routes=[Route("/boom", explode), Route("/tea", teapot)], exception_handlers=HANDLERS)
    client = TestClient(app, raise_server_exceptions=False)
    with caplog.at_level(logging.ERROR):
        response = client.get("/boom")
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
    tea = client.get("/tea")
    assert tea.json() == {
        "type": "about:blank",
        "title": "I'm a Teapot",
        "status": 418,
        "code": "im_a_teapot",
        "detail": "I'm a Teapot",
    }


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (redis.AuthenticationError("WRONGPASS"), 500, "storage_denied"),
        (redis.exceptions.NoPermissionError("no permissions"), 500, "storage_denied"),
        (redis.ResponseError("ACL failure in script: no permissions"), 500, "storage_denied"),
        (redis.ConnectionError("gone"), 503, "storage_unavailable"),
        (redis.TimeoutError("slow"), 503, "storage_unavailable"),
        (redis.ResponseError("MISCONF disk"), 503, "storage_unavailable"),
        (redis.exceptions.OutOfMemoryError("used memory"), 503, "storage_full"),
        (redis.ResponseError("unknown command"), 500, "internal"),
    ],
)
def test_what_the_store_says(error: Exception, status: int, code: str) -> None:
    """Only what ends by itself is worth trying again."""

    async def fail(_: Any) -> Any:
        raise error

    app = Starlette(routes=[Route("/", fail)], exception_handlers=HANDLERS)
    response = TestClient(app, raise_server_exceptions=False).get("/")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("retry-after" in response.headers) == (status == 503)
    assert ("again" in response.json()["detail"]) == (code != "internal")
    assert str(error) not in response.text


def test_no_problem_promises_that_a_store_lost_nothing() -> None:
    """It may have come back empty."""
    assert not [problem for problem in all_problems() if "nothing was lost" in (problem.__doc__ or "")]


def test_index(client: TestClient) -> None:
    document = client.get("/").json()
    assert document["name"] == "shap-supervisor"
    assert document["version"]
    assert document["links"]["submit"] == "/analyze"


@pytest.mark.parametrize(
    ("problem", "seconds"),
    [
        (errors.StorageUnavailable(), "2"),
        (errors.StorageFull(), "10"),
        (errors.Busy(), "5"),
        (errors.NotReady(state="queued"), "1"),
        (errors.TooManyJobs(limit=1), "5"),
        (errors.TooManyConnections(limit=1), "5"),
        (errors.TooManyDrawings(limit=1), "5"),
        (errors.TooManyColumnar(limit=1), "5"),
        (errors.TooManyBytes(limit_bytes=1), "60"),
    ],
)
def test_when_to_try_again(problem: errors.Problem, seconds: str) -> None:
    assert respond(problem).headers["retry-after"] == seconds
