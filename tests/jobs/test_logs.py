"""One JSON object a line, whoever logs."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from jobs.logs import configure


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_our_lines_and_the_standard_librarys_are_json_with_the_same_keys() -> None:
    stream = io.StringIO()
    configure("INFO", None, stream)
    structlog.get_logger().info("attempt_ended", job_id="j", chunk="0-9", seconds=0.5)
    logging.getLogger("uvicorn.error").warning("told %s", "so")
    ours, theirs = (json.loads(line) for line in stream.getvalue().splitlines())
    assert ours["event"] == "attempt_ended"
    assert (ours["job_id"], ours["level"]) == ("j", "info")
    assert (theirs["event"], theirs["level"]) == ("told so", "warning")
    assert ours["timestamp"].endswith("Z")
    assert theirs["timestamp"].endswith("Z")


def test_an_exception_stays_on_its_line() -> None:
    stream = io.StringIO()
    configure("INFO", "json", stream)
    try:
        raise ValueError("as told")
    except ValueError:
        structlog.get_logger().exception("broke")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: as told" in json.loads(line)["exception"]


def test_the_level_is_obeyed_and_console_is_not_json() -> None:
    stream = io.StringIO()
    configure("WARNING", "console", stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
