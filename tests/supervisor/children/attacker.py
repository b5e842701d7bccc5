"""Stands in for `child` in a forkserver: a process that was taken over, and tries to get out.

Told by one Data message where its targets are, a template tries everything and says what came of it in a Failed; so
does a child. Nothing here does harm where it succeeds, so that the attacks can be shown to work without a sandbox.
"""

import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.protocol import LENGTH, Data, Failed, decode_from_supervisor, encode
from supervisor.children import syscalls

REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}
SIGCONT = 18
_libc = ctypes.CDLL(None, use_errno=True)
_COLUMN = ["x86_64", "aarch64"].index(platform.machine())
_NUMBERS = {name: pair[_COLUMN] for group in syscalls.GROUPS for name, pair in syscalls.numbers(group).items()}


def warm(_: str) -> None:
    """Nothing to import."""


def prepare(connection: socket.socket) -> dict[str, Any]:
    targets = hear(connection)
    say(connection, {"tried": tried(targets, ANYBODY), "works": working()})
    return targets


def run(connection: socket.socket, targets: dict[str, Any] | None) -> None:
    given = hear(connection) | (targets or {})
    say(connection, {"tried": tried(given, ANYBODY | ALONE), "works": working()})


def hear(connection: socket.socket) -> dict[str, Any]:
    (length,) = LENGTH.unpack(connection.recv(LENGTH.size, socket.MSG_WAITALL))
    message = decode_from_supervisor(connection.recv(length, socket.MSG_WAITALL))
    assert isinstance(message, Data)
    return dict(json.loads(message.data))


def say(connection: socket.socket, found: dict[str, Any]) -> None:
    connection.sendall(encode(Failed(kind="refused", code="tried", message="tried", detail=found)))


def tried(targets: dict[str, Any], attacks: "dict[str, Attack]") -> dict[str, str]:
    """What came of each: `refused`, or something else."""
    return {name: _outcome(attack, targets) for name, attack in attacks.items()}


def _outcome(attack: "Attack", targets: dict[str, Any]) -> str:
    try:
        attack(targets)
    except OSError as error:
        return "refused" if error.errno in REFUSED else f"not refused: {error}"
    except ValueError:  # as Python puts it where a limit is to be raised
        return "refused"
    return "it worked"


def call(name: str, *arguments: Any) -> int:
    """A system call by its name. Raises OSError."""
    number = _NUMBERS[name]
    if number is None:
        raise OSError(errno.ENOSYS, "not on this machine")
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


Attack = Callable[[dict[str, Any]], Any]


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(1)


def _write(path: str) -> None:
    with open(path, "ab"):
        pass


def _open_older(path: str, how: int = os.O_WRONLY | os.O_APPEND) -> int:
    """Only some machines have it; libraries use `openat`."""
    return call("open", path.encode(), how, 0)


def _reads_by_the_older_call() -> bool:
    return _NUMBERS["open"] is None or os.close(_open_older("/proc/self/statm", os.O_RDONLY)) is None


def _reach_store(targets: dict[str, Any]) -> None:
    with socket.create_connection(("127.0.0.1", targets["port"]), timeout=5):
        pass


def _reach(address: str) -> Attack:
    def attack(_: dict[str, Any]) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address)

    return attack


def _own_signal(targets: dict[str, Any]) -> None:
    """Have the kernel signal somebody when there is something to read."""
    fcntl.fcntl(0, fcntl.F_SETOWN, targets["supervisor"])


def _raise() -> None:
    raise OSError(ctypes.get_errno(), "refused")


def _priority(targets: dict[str, Any]) -> int:
    return os.getpriority(os.PRIO_PROCESS, targets["supervisor"])


def _processors(targets: dict[str, Any]) -> set[int]:
    return os.sched_getaffinity(targets["supervisor"])


ANYBODY: dict[str, Attack] = {
    "environment of the supervisor": lambda to: _read(f"/proc/{to['supervisor']}/environ"),
    "memory of the supervisor": lambda to: _read(f"/proc/{to['supervisor']}/maps"),
    "memory of the forkserver": lambda to: _read(f"/proc/{to['forkserver']}/maps"),
    "memory of a sibling": lambda to: _read(f"/proc/{to['sibling']}/maps"),
    "memory of the parent": lambda _: _read(f"/proc/{os.getppid()}/mem"),
    "descriptors of the supervisor": lambda to: os.readlink(f"/proc/{to['supervisor']}/fd/0"),
    "be killed last": lambda to: _write(f"/proc/{to['supervisor']}/oom_score_adj"),
    "another file": lambda to: _read(to["secret"]),
    "users": lambda _: _read("/etc/passwd"),
    "list a directory": lambda to: os.listdir(os.path.dirname(to["secret"])),
    "list the root": lambda _: os.listdir("/"),
    "append to a file": lambda to: _write(to["secret"]),
    "append to a file by the older call": lambda to: os.close(_open_older(to["secret"])),
    "make a file": lambda to: _write(to["secret"] + f".{os.getpid()}"),
    "make one in memory": lambda _: _write(f"/dev/shm/attacker.{os.getpid()}"),
    "write below its own path": lambda _: _write(__file__),
    "make a directory": lambda to: os.mkdir(to["secret"] + f".{os.getpid()}.d"),
    "make a link": lambda to: os.link(to["secret"], to["secret"] + f".{os.getpid()}.l"),
    "make a symbolic link": lambda to: os.symlink("/", to["secret"] + f".{os.getpid()}.s"),
    "rename": lambda to: os.rename(to["secret"] + ".no", to["secret"] + ".none"),
    "remove": lambda to: os.unlink(to["secret"] + ".no"),
    "truncate": lambda to: os.truncate(to["secret"], 1_000),
    "change a mode": lambda to: os.chmod(to["secret"], 0o600),
    "change an owner": lambda to: os.chown(to["secret"], -1, -1),
    "change times": lambda to: os.utime(to["secret"]),
    "watch files": lambda _: call("inotify_init1", 0),
    "a socket": lambda _: socket.socket().close(),
    "a datagram socket": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "a pair of sockets": lambda _: [end.close() for end in socket.socketpair()],
    "the store": _reach_store,
    "an abstract socket": _reach("\0attacker"),
    "signal the supervisor": lambda to: os.kill(to["supervisor"], SIGCONT),
    "signal the forkserver": lambda to: os.kill(to["forkserver"], SIGCONT),
    "signal a sibling": lambda to: os.kill(to["sibling"], SIGCONT),
    "signal a sibling's group": lambda to: os.killpg(to["sibling"], SIGCONT),
    "signal with a value": lambda to: call("rt_sigqueueinfo", to["supervisor"], 0, None),
    "signal by a descriptor": lambda to: call("pidfd_open", to["supervisor"], 0),
    "signal by a file": _own_signal,
    "trace": lambda to: call("ptrace", 0x7FFF, to["supervisor"], 0, 0),
    "read its memory": lambda to: call("process_vm_readv", to["supervisor"], None, 0, None, 0, 0),
    "write its memory": lambda to: call("process_vm_writev", to["supervisor"], None, 0, None, 0, 0),
    "take its descriptors": lambda _: call("pidfd_getfd", -1, 0, 0),
    "change its limits": lambda to: call("prlimit64", to["supervisor"], resource.RLIMIT_CORE, None, None),
    "change its priority": lambda to: os.setpriority(os.PRIO_PROCESS, to["supervisor"], _priority(to)),
    "change its processors": lambda to: os.sched_setaffinity(to["supervisor"], _processors(to)),
    "a process": lambda _: os.fork() or os._exit(0),
    "run a program": lambda _: os.execv("/nowhere", ["/nowhere"]),  # without a sandbox: there is no such file
    "memory without a cap": lambda _: os.close(os.memfd_create("attacker")),
    "shared memory": lambda _: call("shmget", 0, 4096, 0),
    "a message queue": lambda _: call("mq_open", None, 0, 0, None),
    "a large pipe": lambda _: fcntl.fcntl(1, 1031, 1 << 20),
    "namespaces": lambda _: call("unshare", 0),
    "another's namespaces": lambda _: call("setns", -1, 0),
    "mount": lambda _: call("mount", None, None, None, 0, None),
    "io_uring": lambda _: call("io_uring_setup", 0, None),
    "bpf": lambda _: call("bpf", -1, None, 0),
    "performance counters": lambda _: call("perf_event_open", None, 0, 0, 0, 0),
    "page faults": lambda _: call("userfaultfd", -1),
    "keys": lambda _: call("keyctl", -1, 0, 0, 0, 0),
    "clone3": lambda _: call("clone3", None, 0),
    "openat2": lambda _: call("openat2", -1, None, None, 0),
    "a call of tomorrow": lambda _: int(_libc.syscall(ctypes.c_long(462), 0, 0, 1)) < 0 and _raise(),
    "a core": lambda _: resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096)) and None,
}
"""What neither a template nor a child may do."""
ALONE: dict[str, Attack] = {
    "a session": lambda _: os.setsid(),
    "a group": lambda _: os.setpgid(0, 0),
    "outlive the parent": lambda _: _libc.prctl(1, 0, 0, 0, 0) and _raise(),
    "hide its pages": lambda _: _libc.prctl(4, 0, 0, 0, 0) and _raise(),
    "signal the parent": lambda _: os.kill(os.getppid(), SIGCONT),
    "memory of the template": lambda _: _read(f"/proc/{os.getppid()}/maps"),
}
"""What a child may not do either."""


def _death_signal() -> int:
    number = ctypes.c_int()
    _libc.prctl(2, ctypes.byref(number), 0, 0, 0)
    return number.value


def working() -> dict[str, bool]:
    """What must go on as before."""
    ran = []
    thread = threading.Thread(target=ran.append, args=(1,))
    thread.start()
    thread.join()
    import xml.dom.minidom

    return {
        "thread": ran == [1],
        "import": bool(xml.dom.minidom),
        "own memory": "Private_Dirty" in Path("/proc/self/smaps_rollup").read_text(),
        "read by the older call": _reads_by_the_older_call(),
        "its own priority at disks": call("ioprio_set", 1, 0, 2 << 13 | 4) == 0,
        "its own processors": os.sched_setaffinity(0, os.sched_getaffinity(0)) is None,
        "random": len(os.urandom(8)) == 8,
        "signal to itself": os.kill(os.getpid(), 0) is None,
        "dies with its parent": _death_signal() == signal.SIGKILL,
        "killed first": Path("/proc/self/oom_score_adj").read_text().strip() == "1000",
    }
