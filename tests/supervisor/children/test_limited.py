"""What holds on any kernel: bounds of what forked processes may take, and which layers a kernel is taken to have.

That they hold: see `test_sandbox`, on platforms that have all of them.
"""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.children import landlock, seccomp

ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")
SEALED = """
import resource
from supervisor.children.sandbox import Policy, Sandbox
Sandbox(Policy(chunk_cpu_s=100)).seal()
print(*resource.getrlimit(resource.RLIMIT_CPU))
"""


def test_a_child_may_compute_for_as_long_as_its_chunk_may_take_and_a_minute_more() -> None:
    """Who is slow is stopped by the supervisor, which says why; the kernel ends only those that it did not stop."""
    assert subprocess.check_output([sys.executable, "-c", SEALED], text=True).split() == ["160", "160"]


@pytest.mark.skipif(not ACTIONS.exists(), reason="this kernel does not tell what filters can do")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="filters are written for these two")
def test_filters_are_known_to_be_where_the_kernel_says_so() -> None:
    actions = ACTIONS.read_text().split()
    assert seccomp.machine() == platform.machine()
    assert seccomp.available() == ("errno" in actions)
    assert seccomp.can_ask() == ("user_notif" in actions)


@pytest.mark.parametrize(("version", "newest"), [(0, -1), (1, 12), (2, 13), (3, 14), (4, 14), (5, 15), (9, 15)])
def test_files_are_closed_with_every_right_that_the_version_knows(version: int, newest: int) -> None:
    """A bit each, from EXECUTE up to MAKE_SYM, then REFER, TRUNCATE and IOCTL_DEV."""
    assert landlock._newest(landlock._FILES, version) == sum(1 << bit for bit in range(newest + 1))


@pytest.mark.parametrize(("version", "rights"), [(0, 0), (3, 0), (4, 3), (5, 3)])
def test_ports_are_closed_from_the_version_on_that_can(version: int, rights: int) -> None:
    """Linux 6.7 has version 4: see Documentation/userspace-api/landlock.rst."""
    assert landlock._newest(landlock._PORTS, version) == rights
