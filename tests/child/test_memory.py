"""What a child tells of its memory, and how it tells running out from any other failure."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import xgboost as xgb

from child import memory
from tests.child.support import (
    Supervisor,
    npy,
)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("std::bad_alloc"),
        xgb.core.XGBoostError("Out of memory"),
        ValueError("Unable to allocate 3 GiB"),
    ],
)
def test_running_out_of_memory_is_told_apart(samples, forest, error):
    def explain(rows, first):
        raise error

    supervisor = Supervisor({"model": forest, "data": npy(samples.x)})
    supervisor.load()
    supervisor.prepared.explainer.explain = explain
    failed = supervisor.open().failed
    assert (failed.kind, failed.code) == ("memory", "memory_cap")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize(("faults", "looks"), [(900, False), (90_000, True)])
def test_only_who_touched_many_pages_looks_at_all_of_them(monkeypatch, tmp_path, faults, looks):
    (tmp_path / "shares").write_text("Private_Dirty:  9000000 kB\n")
    monkeypatch.setattr(memory, "SHARES", tmp_path / "shares")
    monkeypatch.setattr(memory.resource, "getrusage", lambda _: SimpleNamespace(ru_minflt=faults))
    high = memory.anonymous_bytes() + 10**12  # it has added nothing: all that it touched are copies
    peak = memory.report(high).peak_bytes
    assert (peak > 8_000_000 * 1024) is looks
    assert looks or peak == (faults - memory.FILE_FAULTS) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds RLIMIT_AS")
def test_a_child_at_its_cap_still_reports():
    """In a process of its own, whose soft limit is a little above what it has and whose hard one is higher."""
    code = """
import resource, sys, numpy as np
from sklearn.ensemble import RandomForestRegressor
from jobs.protocol import Failed
from tests.child.support import Supervisor, npy, skops_bytes
x = np.zeros((400_000, 8)); x[:, 0] = np.arange(400_000)
s = Supervisor({"model": skops_bytes(RandomForestRegressor(3, max_depth=3).fit(x[:100], x[:100, 0])), "data": npy(x)})
s.load()
size = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmSize")) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 30 * 2**20, size + 50 * 2**20))
failed = s.open(10**6, 2**40).failed
assert (failed.kind, failed.code) == ("memory", "memory_cap"), failed
assert failed.memory.vm_peak_bytes > size, failed
assert resource.getrlimit(resource.RLIMIT_AS)[0] == size + 50 * 2**20
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_memory_error_may_hide_behind_another():
    def fail():
        try:
            raise MemoryError
        except MemoryError as inner:
            raise ValueError("cannot read") from inner

    with pytest.raises(ValueError, match="cannot read") as caught:
        fail()
    assert memory.is_out_of_memory(caught.value)
    assert not memory.is_out_of_memory(ValueError("cannot read"))
