"""What a process takes, as the system tells it."""

import os
import subprocess
import sys

import pytest

from supervisor.children.usage import _portable_usage, shares, usage


@pytest.fixture
def nobody() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_nobody_takes_nothing(nobody: int) -> None:
    assert (usage(nobody), shares(nobody), _portable_usage(nobody)) == (None, None, None)


def test_where_there_is_no_proc_memory_is_told_all_the_same() -> None:
    found = _portable_usage(os.getpid())
    assert found
    assert 0 < found.rss_bytes <= found.vm_size_bytes
