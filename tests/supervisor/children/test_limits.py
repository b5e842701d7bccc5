"""What cgroups of version 2 and 1 say, from their files. The real ones: see tests/memory."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from jobs.settings import MIB, Settings
from supervisor.children import limits
from supervisor.children.limits import Limit, cores, find_limit, oom_kills

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts a file where this process's cgroups are looked for; none is there otherwise."""
    monkeypatch.setattr(limits, "CGROUP", tmp_path)
    limits._kills_file.cache_clear()

    def write(file: str, text: str) -> None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)

    return write


@pytest.fixture(autouse=True)
def _looked_for_anew() -> None:
    limits._kills_file.cache_clear()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this platform has no affinity")
def test_processors_are_those_that_this_process_may_use(write: Write) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert cores() == len(allowed)


def test_the_smallest_of_machine_cgroup_and_setting(write: Write, tmp_path: Path) -> None:
    machine = psutil.virtual_memory().total
    assert find_limit(Settings()) == Limit(machine, "machine")
    write("memory.max", "max\n")
    assert find_limit(Settings()).source == "machine"
    write("memory.max", f"{300 * MIB}\n")
    assert find_limit(Settings()) == Limit(300 * MIB, "cgroup v2", tmp_path, 2)
    write("memory/memory.limit_in_bytes", f"{200 * MIB}\n")
    assert find_limit(Settings()) == Limit(200 * MIB, "cgroup v1", tmp_path / "memory", 1)
    assert find_limit(Settings(memory_limit_mb=100)) == Limit(100 * MIB, "MEMORY_LIMIT_MB")


@pytest.mark.parametrize(
    ("usage", "stat", "prefix"),
    [
        ("memory.current", "memory.stat", ""),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_"),
    ],
)
def test_in_use_is_what_cannot_be_dropped(write: Write, tmp_path: Path, usage: str, stat: str, prefix: str) -> None:
    version = 1 if prefix else 2
    limit = Limit(1000, "a test", (tmp_path / usage).parent, version)
    assert limit.in_use() is None, "nobody counts"
    write(usage, "700\n")
    assert limit.in_use() == 700
    write(stat, f"anon 5\n{prefix}active_file 100\n{prefix}inactive_file 30\n")
    assert limit.in_use() == 570
    write(stat, f"{prefix}active_file 800\n")
    assert limit.in_use() == 0


def test_in_use_of_the_machine_and_of_a_setting() -> None:
    assert 0 < (Limit(1, "machine").in_use() or 0) < psutil.virtual_memory().total
    assert Limit(1, "MEMORY_LIMIT_MB").in_use() is None


def test_processors_by_quota_rounded_up(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert cores() == 8
    write("cpu/cpu.cfs_quota_us", "-1\n")
    assert cores() == 8
    write("cpu/cpu.cfs_quota_us", "250000\n")
    write("cpu/cpu.cfs_period_us", "100000\n")
    assert cores() == 3
    write("cpu.max", "max 100000\n")
    assert cores() == 3
    write("cpu.max", "150000 100000\n")
    assert cores() == 2
    write("cpu.max", "1000 100000\n")
    assert cores() == 1
    write("cpu.max", "6400000 100000\n")
    assert cores() == 8, "no more than there are"


def test_kills_that_the_kernel_counts(write: Write) -> None:
    write("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert oom_kills() == 3
    write("memory.events", "low 0\noom 9\noom_kill 7\n")
    assert oom_kills() == 3, "the file is looked for once"
    limits._kills_file.cache_clear()
    assert oom_kills() == 7


def test_a_cgroup_below_others_is_bound_by_them(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_read", read_below(tmp_path))
    write("memory.max", "500\n")
    write("own/memory.max", "900\n")
    assert find_limit(Settings()) == Limit(500, "cgroup v2", tmp_path, 2)
    write("own/memory.max", "400\n")
    assert find_limit(Settings()) == Limit(400, "cgroup v2", tmp_path / "own", 2)


def read_below(root: Path) -> Callable[[Path], str]:
    """As the kernel answers a process in the cgroup /own."""

    def read(path: Path) -> str:
        if path == Path("/proc/self/cgroup"):
            return "0::/own\n"
        return path.read_text() if path.is_relative_to(root) and path.exists() else ""

    return read
