"""What a child writes to its stderr, as the supervisor hears it. Messages: see `test_run`, with real children."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from supervisor.children.pipe import StderrTail

pytestmark = pytest.mark.anyio


@dataclass
class Written:
    """Both ends of a pipe that stays open, as that of a living child does."""

    write_end: int
    tail: StderrTail


@pytest.fixture
async def written(anyio_backend: str) -> AsyncIterator[Written]:
    read_end, write_end = os.pipe()
    found = Written(write_end, StderrTail(read_end))
    yield found
    found.tail.close()
    os.close(write_end)


async def test_a_child_that_writes_and_lives_on_blocks_nobody(written: Written) -> None:
    assert written.tail.text() == ""
    os.write(written.write_end, b"a warning\n")
    await asyncio.sleep(0)
    assert written.tail.text() == "a warning"


async def test_the_last_bytes_are_kept(written: Written) -> None:
    os.write(written.write_end, b"first" + b"." * 50_000 + b"last")
    assert written.tail.text().endswith("..last")
    assert "first" not in written.tail.text()


async def test_closed_twice_closes_nothing_else(written: Written) -> None:
    stdout = os.fstat(1)
    written.tail.close()
    assert written.tail.text() == ""
    written.tail.close()
    assert os.fstat(1).st_ino == stdout.st_ino
