"""Runs in a process of its own, with a clean environment: imports one stack of libraries once, then only forks.

A template is a fork of it that has loaded one job's model and then serves in the same way. Every fork leads its own
process group, dies with its parent, and keeps no descriptor but its connection and its stderr. We reap here, so that
the supervisor learns the exit status of every child. Does not decide anything, and does not know what
the children do: that is `child`, loaded by name.

multiprocessing's own forkserver is not used: a process can have only one of it, its children inherit descriptors of
the resource tracker, and the exit status stays hidden behind it.
"""

import array
import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NoReturn

import msgspec

from supervisor.children.confinement import (
    EXIT_UNREPORTED,
    LINUX,
    adopt_orphans,
    be_killed_first,
    die_with_parent,
    give_way,
    keep_only,
    lead_group,
    limit_address_space,
    own_sizes,
    reset_signals,
)
from supervisor.children.fork_protocol import (
    COMMAND_BYTES,
    GATE,
    MAX_DESCRIPTORS,
    Event,
    Exited,
    Fork,
    Forked,
    Warm,
    decode_command,
    encode_event,
)
from supervisor.children.sandbox import Policy, Sandbox


class Forkserver:
    """Serves fork commands until its control socket is closed."""

    def __init__(self, control: socket.socket, work: ModuleType, prepared: Any, sandbox: Sandbox) -> None:
        self._control = control
        self._sandbox = sandbox
        self._work = work
        self._prepared = prepared
        self._numbers: dict[int, int] = {}
        self._wake_read, self._wake_write = os.pipe()

    def serve(self) -> NoReturn:
        self._listen_for_exits()
        self._tell(_warm(self._sandbox))
        control = self._control.fileno()
        while True:
            ready, _, _ = select.select([control, self._wake_read], [], [])
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
                self._reap()
            if control in ready:
                self._obey()

    def _listen_for_exits(self) -> None:
        os.set_blocking(self._wake_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _obey(self) -> None:
        command = _receive(self._control)
        if command is None:
            self._leave()
        fork, descriptors = command
        try:
            with _undisturbed():
                pid = os.fork()
        except OSError as error:
            self._tell(Exited(number=fork.number, status=None, error=f"fork failed: {error.strerror}"))
        else:
            if pid == 0:
                self._become(fork, descriptors)
            lead_group(pid)
            self._numbers[pid] = fork.number
            self._tell(Forked(number=fork.number, pid=pid))
        for descriptor in descriptors:
            os.close(descriptor)

    def _reap(self) -> None:
        """Grandchildren do not outlive their child, not even those that have left its group: they become ours."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                number = self._numbers.pop(pid, None)
                if number:
                    _kill_group(pid)
                for orphan in _children() - set(self._numbers):  # also what an orphan has left in its turn
                    os.kill(orphan, signal.SIGKILL)
                if number:
                    self._tell(Exited(number=number, status=status))

    def _tell(self, event: Event) -> None:
        try:
            self._control.sendall(encode_event(event))
        except OSError:
            self._leave()

    def _leave(self) -> NoReturn:
        """Only when all that it has forked has gone: our end tells the supervisor that their memory is free."""
        for pid in self._numbers:
            _kill_group(pid)
        with contextlib.suppress(ChildProcessError):
            while True:
                for pid in _children():
                    os.kill(pid, signal.SIGKILL)
                os.wait()
        os._exit(0)

    def _become(self, fork: Fork, descriptors: list[int]) -> NoReturn:
        """Only in the fork: turn into a child or a template, and never return."""
        code = EXIT_UNREPORTED
        try:
            lead_group(0)
            die_with_parent()
            adopt_orphans()
            reset_signals()
            if fork.cap_bytes:  # without a cap of its own it has inherited all of these
                be_killed_first()
                give_way()
                limit_address_space(fork.cap_bytes)
            self._enclose(fork)
            connection, *control = keep_only(descriptors)
            if fork.role == "template":
                self._become_template(connection, control[0])
            else:
                self._work.run(connection, self._prepared)
            code = 0
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(code)

    def _enclose(self, fork: Fork) -> None:
        """Without a cap of its own it was forked from a template, and is enclosed already."""
        if fork.role == "template":
            self._sandbox.enclose(file_bytes=fork.cap_bytes)
        elif fork.cap_bytes:
            self._sandbox.enclose_and_seal()
        else:
            self._sandbox.seal()

    def _become_template(self, connection: socket.socket, control: socket.socket) -> None:
        _hand_over(control, self._sandbox.gate())
        prepared = self._work.prepare(connection)
        connection.close()
        if prepared is not None:
            gc.collect()
            self._sandbox.expect_children()
            gc.freeze()
            Forkserver(control, self._work, prepared, self._sandbox).serve()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A fork that a signal interrupts, such as the last child's end, begins again, and would need another leave."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_over(control: socket.socket, gate: int | None) -> None:
    """The first byte on a template's control socket; with it, whoever reads it decides about our forks."""
    socket.send_fds(control, [GATE], [] if gate is None else [gate])
    if gate is not None:
        os.close(gate)


def _receive(control: socket.socket) -> tuple[Fork, list[int]] | None:
    """The next command with its descriptors; None when the supervisor is gone."""
    size = array.array("i").itemsize
    try:
        raw, ancillary, _, _ = control.recvmsg(COMMAND_BYTES, socket.CMSG_SPACE(MAX_DESCRIPTORS * size))
    except ConnectionError:
        return None
    if not raw:
        return None
    descriptors = array.array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data[: len(data) - len(data) % size])
    while len(raw) < COMMAND_BYTES:
        if not (rest := control.recv(COMMAND_BYTES - len(raw))):
            return None
        raw += rest
    return decode_command(raw), list(descriptors)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _children() -> set[int]:
    """Those of this process, which has one thread."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def _warm(sandbox: Sandbox) -> Warm:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sizes = own_sizes() if LINUX else {"VmRSS": most, "RssAnon": most, "VmSize": 0}
    return Warm(
        pid=os.getpid(),
        rss_bytes=sizes["VmRSS"],
        anon_bytes=sizes["RssAnon"],
        vm_size_bytes=sizes["VmSize"],
        sandbox_active=sandbox.active,
        sandbox_missing=sandbox.missing,
    )


def _assert_single_thread() -> None:
    """Another thread's locks would stay locked in every fork."""
    threads = len(os.listdir("/proc/self/task")) if LINUX else 1
    if threads != 1:
        sys.exit(f"the forkserver has {threads} threads after its imports; it must have one")


def main(control_descriptor: str, work_module: str, stack: str, policy: str) -> NoReturn:
    die_with_parent()
    adopt_orphans()
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal and some platforms send them to every process:
        signal.signal(number, signal.SIG_IGN)  # it is the supervisor's business what becomes of us and our children
    control = socket.socket(fileno=int(control_descriptor))
    work = importlib.import_module(work_module)
    work.warm(stack)
    _assert_single_thread()
    sandbox = Sandbox(msgspec.json.decode(policy, type=Policy))
    sandbox.begin()
    gc.collect()
    gc.freeze()
    Forkserver(control, work, None, sandbox).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
