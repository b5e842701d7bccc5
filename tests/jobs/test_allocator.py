"""What large buffers leave behind: nothing, where the C library can be told so."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from jobs import allocator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and is about glibc")

HELD_AFTER = """
import sys
from jobs.allocator import return_large_buffers

def resident():
    return int(open("/proc/self/statm").read().split()[1])

if sys.argv[1] == "told":
    return_large_buffers()
large = bytearray(4 << 20)  # glibc takes everything below this size for small once it is freed
del large
before = resident()
held = [(bytearray(b"x") * 200_000, bytes(700)) for _ in range(100)]  # 20 MB between objects that stay
held = [small for _, small in held]
print((resident() - before) * 4)
"""


@pytest.mark.parametrize(("told", "most_kb", "least_kb"), [("told", 3_000, 0), ("not told", 30_000, 15_000)])
def test_what_is_left_of_large_buffers_between_small_ones(told: str, most_kb: int, least_kb: int) -> None:
    left = int(subprocess.check_output([sys.executable, "-c", HELD_AFTER, told]))
    assert least_kb <= left <= most_kb


def test_both_thresholds_are_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the numbers that malloc.h gives them."""
    told = {}
    library = SimpleNamespace(mallopt=told.__setitem__)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: library)
    allocator.return_large_buffers()
    assert told == {-3: allocator.LARGE_BYTES, -1: 2 * allocator.LARGE_BYTES}
