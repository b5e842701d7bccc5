"""One line a request, whatever becomes of it."""

from typing import Any

import anyio
import pytest
import structlog

from api.access_log import AccessLog


async def breaks(*_: Any) -> None:
    raise ZeroDivisionError


def test_a_request_that_breaks_before_it_has_an_answer_is_logged_as_500() -> None:
    scope = {"type": "http", "method": "GET", "path": "/jobs"}
    with structlog.testing.capture_logs() as logs, pytest.raises(ZeroDivisionError):
        anyio.run(AccessLog(breaks), scope, breaks, breaks)
    (line,) = logs
    assert (line["method"], line["path"], line["status"]) == ("GET", "/jobs", 500)
