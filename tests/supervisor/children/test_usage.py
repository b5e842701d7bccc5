"""What a process takes, as the system tells it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.children.usage import LINUX, _portable_usage, shares, usage


@pytest.fixture
def nobody() -> int:
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_nobody_takes_nothing(nobody: int) -> None:
    assert (usage(nobody), shares(nobody), _portable_usage(nobody)) == (None, None, None)


@pytest.mark.skipif(not LINUX, reason="/proc is Linux's")
def test_what_is_resident_is_told_apart_into_anonymous_pages_and_those_of_files() -> None:
    found = usage(os.getpid())
    assert found
    told = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    anon = int(told["RssAnon"].split()[0]) * 1024
    assert found.anon_bytes == pytest.approx(anon, rel=0.1)
    assert found.anon_bytes < found.rss_bytes < found.vm_size_bytes


def test_where_there_is_no_proc_memory_is_told_all_the_same() -> None:
    found = _portable_usage(os.getpid())
    assert found
    assert 0 < found.rss_bytes <= found.vm_size_bytes
