"""What holds on any kernel: bounds of what forked processes may take, and which layers a kernel is taken to have.

That they hold together: see `test_sandbox`, on platforms that have all of them. Here each of the two that refuse most
is tried without the other, wherever the kernel itself says that it has it: neither can go without a word.
"""

import ctypes
import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.children import landlock, seccomp
from tests.supervisor.children.attacker import ALONE, ANYBODY
from tests.supervisor.children.test_sandbox import WITHOUT, WITHOUT_LANDLOCK, run

ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")
ACTIONS_KNOWN = pytest.mark.skipif(not ACTIONS.exists(), reason="this kernel does not tell what filters can do")
KNOWN_MACHINE = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="filters are written for these two"
)
LANDLOCK_VERSION = ctypes.CDLL(None).syscall(444, None, 0, 1) if sys.platform == "linux" else 0
WITHOUT_SECCOMP = WITHOUT % {"x86_64": 317, "aarch64": 277}.get(platform.machine(), 0)
OF_OTHERS = {"memory of the forkserver", "memory of a sibling", "memory of the parent", "memory of the template"}
OF_THE_SUPERVISOR = {"environment of the supervisor", "memory of the supervisor", "descriptors of the supervisor"}
READING = {"another file", "users", "list a directory", "list the root"}
WRITING = {
    *("append to a file", "make a file", "make one in memory", "write below its own path", "make a directory"),
    *("make a link", "make a symbolic link", "truncate"),
}
SIGNALS = {"signal the supervisor", "signal the forkserver", "signal a sibling", "signal a sibling's group"}
BY_LANDLOCK = OF_OTHERS | OF_THE_SUPERVISOR | READING | WRITING | SIGNALS | {"signal the parent", "the store"}
BY_SECCOMP = {*ANYBODY, *ALONE} - OF_OTHERS - OF_THE_SUPERVISOR - READING - {"be killed last", "a core"}
"""The last two are refused by permissions and by a limit."""
SEALED = """
import resource
from supervisor.children.sandbox import Policy, Sandbox
Sandbox(Policy(chunk_cpu_s=100)).seal()
print(*resource.getrlimit(resource.RLIMIT_CPU))
"""


def test_a_child_may_compute_for_as_long_as_its_chunk_may_take_and_a_minute_more() -> None:
    """Who is slow is stopped by the supervisor, which says why; the kernel ends only those that it did not stop."""
    assert subprocess.check_output([sys.executable, "-c", SEALED], text=True).split() == ["160", "160"]


@ACTIONS_KNOWN
@KNOWN_MACHINE
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


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")
def test_landlock_is_known_to_be_where_the_kernel_says_so() -> None:
    assert landlock.version() == max(0, LANDLOCK_VERSION)


def refused(without: str) -> set[str]:
    """By a child that has not got one of the layers: of the two kinds of it what both refuse."""
    ended = run([], "-c", without, "-m", "tests.supervisor.children.attacked", "auto")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    tried = [found[role]["tried"] for role in ("child", "lean")]
    return {name for name in tried[0] if all(outcomes[name] == "refused" for outcomes in tried)}


@pytest.mark.skipif(LANDLOCK_VERSION < landlock.SCOPED_SINCE, reason="this kernel has not got all of Landlock")
@KNOWN_MACHINE
def test_landlock_alone_refuses_what_is_its_business() -> None:
    assert BY_LANDLOCK - refused(WITHOUT_SECCOMP) == set()


@ACTIONS_KNOWN
@KNOWN_MACHINE
def test_filters_alone_refuse_what_is_theirs() -> None:
    assert BY_SECCOMP - refused(WITHOUT_LANDLOCK) == set()


def test_each_attack_is_the_business_of_somebody() -> None:
    assert {*ANYBODY, *ALONE} - BY_LANDLOCK - BY_SECCOMP == {"be killed last", "a core"}
