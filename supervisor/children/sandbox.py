"""What forked processes may not do, whatever they have read. Runs in forkservers and in all that they fork.

    forkserver: begin() ──fork──▶ template: enclose(), expect_children() ──fork──▶ child: seal()
                        ──fork──▶ child without a model: enclose_and_seal()

In layers, each of which a platform may lack. What all share is set once, in the forkserver, before the first byte of an
upload is read: it is inherited, and costs a child nothing. Mechanisms: `landlock`, `seccomp`, `privileges`; which calls
are refused: `refusals`. Does not limit memory: see `forks`. What it promises, and what not: docs/security.md.
"""

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib.machinery import all_suffixes
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from supervisor.children import kernel, landlock, privileges, refusals, seccomp
from supervisor.children.landlock import READ, WRITE, Files

Mode = Literal["auto", "require", "off"]
LAYERS = ("no_new_privs", "landlock", "landlock_scopes", "capabilities", "seccomp", "fork_gate")
"""In the order in which they are put on. `landlock_scopes`: of signals; Linux 6.12 and newer."""
ROOT = Path(__file__).parents[2]
"""Where our packages are. What lies there beside packages is no child's business: a checkout may hold secrets."""
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
MACHINE = ("/proc", "/sys/devices/system", "/sys/fs/cgroup", "/etc/localtime", "/usr/share/zoneinfo")
"""In /proc a process looks up its own memory. Of others Landlock leaves it names and sizes, but no contents."""
SOURCES = ("/dev/urandom", "/dev/random", "/dev/zero")
MOST_FILES = 256
CPU_GRACE_S = 60.0
"""Beyond its time, before the kernel ends a child that nobody has stopped."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor wants of its forkservers."""

    mode: Mode = "auto"
    chunk_cpu_s: float = 3600.0
    """The most processor time that a chunk can take."""


class SandboxMissing(Exception):
    """SANDBOX=require, and the platform has not got all of it."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"SANDBOX=require, but this platform lacks: {', '.join(missing)}")


class Sandbox:
    """One forkserver's; what it has forked carries a copy. `active`, `missing`: layers, once it has begun."""

    def __init__(self, policy: Policy) -> None:
        self.active: list[str] = []
        self.missing: list[str] = []
        self._policy = policy
        self._rules: int | None = None
        self._cpu_limit = (int(policy.chunk_cpu_s + CPU_GRACE_S),) * 2
        self._on_enclosing: list[kernel.Call] = []
        self._on_sealing: list[kernel.Call] = []
        self._on_both: list[Callable[[], object]] = []
        self._gate: kernel.Call | None = None
        self._signals_by_filter = False

    def begin(self) -> None:
        """In the forkserver, when it has imported everything. Layers that cannot be put on are `missing`."""
        if self._policy.mode == "off":
            return
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_NOFILE, MOST_FILES)
        self._on_both += [
            partial(resource.setrlimit, resource.RLIMIT_FSIZE, (0, 0)),
            partial(resource.setrlimit, resource.RLIMIT_CPU, self._cpu_limit),
        ]
        put_on = {
            "no_new_privs": privileges.gain_none,
            "landlock": self._make_rules,
            "landlock_scopes": self._check_rules,
            "capabilities": self._drop_capabilities,
            "seccomp": self._filter_calls,
            "fork_gate": self._prepare_gate,
        }
        for layer in look():
            with suppress(OSError):
                put_on[layer]()
                self.active.append(layer)
        self.missing = [layer for layer in LAYERS if layer not in self.active]
        self._signals_by_filter = "landlock_scopes" in self.missing and "seccomp" in self.active
        if self._signals_by_filter:
            self._on_both.append(_refuse_signals)

    def enclose(self, *, file_bytes: int) -> None:
        """In what was forked from the forkserver; a file that it writes may have so many bytes. Raises OSError."""
        if self._policy.mode == "off":
            return
        _lower(resource.RLIMIT_FSIZE, file_bytes)
        for prepared in self._on_enclosing:
            kernel.make(prepared)

    def enclose_and_seal(self) -> None:
        """Both, in who works on one chunk and was forked from the forkserver. Raises OSError.

        One filter in the place of two, and everything made up ahead: what costs is each page that is touched first.
        """
        for step in self._on_both:
            step()

    def gate(self) -> int | None:
        """In a template, before it reads anything: a descriptor for whoever decides about its forks; see `fork_gate`.

        None where the platform has not got that. Raises OSError.
        """
        return None if self._gate is None else kernel.make(self._gate)

    def expect_children(self) -> None:
        """In a template that is loaded: they reach neither it nor one another, and write nothing. Raises OSError."""
        if self._policy.mode == "off":
            return
        _lower(resource.RLIMIT_FSIZE, 0)
        if self._rules is not None:
            self._on_sealing.insert(0, landlock.restriction(landlock.scopes()))

    def seal(self) -> None:
        """In who works on one chunk, and was forked from a template. Raises OSError."""
        if self._policy.mode == "off":
            return
        resource.setrlimit(resource.RLIMIT_CPU, self._cpu_limit)
        for prepared in self._on_sealing:
            kernel.make(prepared)
        if self._signals_by_filter:
            _refuse_signals()

    def _make_rules(self) -> None:
        self._rules = landlock.ruleset(readable())
        self._on_enclosing.append(landlock.restriction(self._rules))
        self._on_both.append(partial(kernel.make, landlock.restriction(self._rules)))

    def _check_rules(self) -> None:
        """For a layer that comes with the rules."""
        if self._rules is None:
            raise OSError

    def _drop_capabilities(self) -> None:
        """Root shall find its libraries, wherever they lie, as long as there are rules about what else it finds."""
        privileges.drop(keep=0 if self._rules is None else privileges.CAP_DAC_READ_SEARCH)

    def _prepare_gate(self) -> None:
        self._gate = seccomp.installation(refusals.ASKED_FOR, listen=True)

    def _filter_calls(self) -> None:
        kernel.make(seccomp.installation(refusals.ALWAYS))
        self._on_enclosing.append(seccomp.installation(refusals.NO_WRITING))
        self._on_sealing.append(seccomp.installation(refusals.NO_PROCESSES))
        both = seccomp.installation((*refusals.NO_WRITING, *refusals.NO_PROCESSES))
        self._on_both.append(partial(kernel.make, both))


def _refuse_signals() -> None:
    """Those to others, in who is sealed."""
    kernel.make(seccomp.installation(refusals.no_signals(os.getpid())))


def look() -> list[str]:
    """The layers that this platform has. Changes nothing."""
    version, linux = landlock.version(), sys.platform == "linux"
    there = {
        "no_new_privs": linux,
        "landlock": version > 0,
        "landlock_scopes": version >= landlock.SCOPED_SINCE,
        "capabilities": linux,
        "seccomp": seccomp.available(),
        "fork_gate": seccomp.can_ask(),
    }
    return [layer for layer in LAYERS if there[layer]]


def readable() -> Iterator[tuple[str, Files]]:
    """The interpreter, libraries, our packages, what else is on the path to import from, and little of the machine."""
    prefixes = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    interpreter = [str(Path(prefix, name)) for prefix in prefixes for name in ("lib", "lib64")]
    searched = [path for path in sys.path if path and Path(path).resolve() != ROOT]
    for path in dict.fromkeys(chain(interpreter, searched, map(str, _importable(ROOT)), LIBRARIES, MACHINE, SOURCES)):
        yield path, READ
    yield str(ROOT), Files.READ_DIR  # an import looks for names
    yield os.devnull, READ | WRITE


def _importable(directory: Path) -> list[Path]:
    """Packages and modules."""
    suffixes = tuple(all_suffixes())
    return [path for path in directory.iterdir() if path.name.endswith(suffixes) or (path / "__init__.py").exists()]


def _lower(limit: int, value: int) -> None:
    """Soft and hard."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
