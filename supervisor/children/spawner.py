"""Our end of a process that forks: the forkserver, or a template. Runs on the supervisor's event loop.

Gives children with a pipe, a stderr tail and an exit that can be awaited; when the forking process dies, so do they.
A template has read a hostile model, so what it tells is checked: one that tells what cannot be, or nothing for too
long, is killed. Does not judge how a child ended: see `judge`.
"""

import asyncio
import contextlib
import os
import signal
import socket
from typing import Any, Literal

import structlog

from jobs.outcomes import Outcome
from supervisor.children.descendant import Descendant, NotItsChild
from supervisor.children.fork_gate import ForkGate
from supervisor.children.fork_protocol import (
    EVENT_HEADER_BYTES,
    GATE,
    BadEvent,
    Exited,
    Fork,
    Forked,
    Warm,
    decode_event,
    encode_command,
    event_length,
)
from supervisor.children.pipe import Pipe, StderrTail

log = structlog.get_logger()

LEAVE_TIMEOUT_S = 2.0
FORK_TIMEOUT_S = 30.0
"""A fork takes 20 ms at most; on a machine that is busy elsewhere, much longer."""
TELL_TIMEOUT_S = 5.0
"""For a forking process to tell of an exit that we have seen."""


StackName = Literal["lean", "full"]
"""What a forkserver imports: numpy and the tree kernel, or everything that an explainer may need."""


class ForkserverLost(Exception):
    """The process that was to fork is gone."""


class Child:
    """A forked process: one attempt, or a template that loads."""

    def __init__(self, number: int, pipe: Pipe, stderr: StderrTail) -> None:
        self.number = number
        self.pipe = pipe
        self.stderr = stderr
        self.pid: int | None = None
        self.process: Descendant | None = None
        """Once it was forked, unless it was gone by then."""
        self.forked: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Future[Exited] = asyncio.get_running_loop().create_future()
        self.killed_as: Outcome | None = None
        """Why we killed it; the first reason counts."""
        self.parent_lost = False

    def kill(self, reason: Outcome) -> None:
        """SIGKILL to its whole process group; what has exited by itself was not killed."""
        if self.exited.done():
            return
        self.killed_as = self.killed_as or reason
        self.end()

    def end(self) -> None:
        """It, and its process group, whatever becomes known as the reason."""
        if self.process:
            self.process.kill()

    def release(self) -> None:
        """It has gone: nothing is signalled under its pid any more."""
        if self.process:
            self.process.release()

    def close(self) -> None:
        self.pipe.close()
        self.stderr.close()


class Spawner:
    """Forks children on command, and hears of their exits. `forking`: the process at the other end."""

    def __init__(self, control: socket.socket, forking: asyncio.subprocess.Process | Child) -> None:
        self._control = control
        self._forking = forking
        self._children: dict[int, Child] = {}
        self._next_number = 0
        self._gate: ForkGate | None = None
        self.warm: asyncio.Future[Warm] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()
        self._events = asyncio.create_task(self._listen())

    async def fork(
        self, role: Literal["child", "template"], cap_bytes: int, file: int | None = None
    ) -> tuple[Child, socket.socket | None]:
        """Fork a child; for a template also our end of its control socket. Raises ForkserverLost.

        `file`: a descriptor that a template gets under the number FILE_DESCRIPTOR; ours stays open.
        """
        if self.lost.is_set():
            raise ForkserverLost
        self._next_number += 1
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        descriptors = [theirs.fileno(), write_end]
        control, their_control = socket.socketpair() if role == "template" else (None, None)
        if their_control:
            descriptors.append(their_control.fileno())
        if file is not None:
            descriptors.append(file)
        child = Child(self._next_number, await Pipe.over(ours), StderrTail(read_end))
        self._children[child.number] = child
        try:
            if self._gate:
                self._gate.grant()
            command = encode_command(Fork(number=child.number, role=role, cap_bytes=cap_bytes))
            socket.send_fds(self._control, [command], descriptors)
        except OSError:
            self._lose()
        finally:
            theirs.close()
            os.close(write_end)
            if their_control:
                their_control.close()
        futures: list[asyncio.Future[Any]] = [child.forked, child.exited]
        done, _ = await asyncio.wait(futures, timeout=FORK_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            self._disbelieve(f"told of no fork in {FORK_TIMEOUT_S:g} s")
        if child.parent_lost:
            child.close()
            if control:
                control.close()
            raise ForkserverLost
        return child, control

    def close(self) -> None:
        """Let the forking process go; it kills what it has forked and leaves."""
        self._events.cancel()
        self._lose()

    async def leave(self) -> None:
        """Close, and see the forkserver out: bounded, for a process that is stopped does not go by itself."""
        self.close()
        if isinstance(self._forking, Child):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self._forking.wait()
                return
        self._forking.kill()
        await self._forking.wait()

    async def _listen(self) -> None:
        if isinstance(self._forking, Child):
            await self._receive_gate()
        if self.lost.is_set():
            return
        reader, writer = await asyncio.open_unix_connection(sock=self._control.dup())
        try:
            while True:
                header = await reader.readexactly(EVENT_HEADER_BYTES)
                self._hear(decode_event(await reader.readexactly(event_length(header))))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._lose()
        except (BadEvent, NotItsChild) as error:
            self._disbelieve(str(error))
        finally:
            writer.close()

    async def _receive_gate(self) -> None:
        """The first byte; sent before the template has read anything."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        with self._control.dup() as control:  # ours may be closed meanwhile
            loop.add_reader(control, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(control)
            first, listeners = b"", list[int]()
            with contextlib.suppress(OSError):
                first, listeners, _, _ = socket.recv_fds(control, len(GATE), 1)
        if first != GATE:
            self._lose()
        elif listeners:
            self._gate = ForkGate(listeners[0])

    def _hear(self, event: Warm | Forked | Exited) -> None:
        """Raises BadEvent, NotItsChild."""
        if isinstance(event, Warm):
            if self.warm.done():
                raise BadEvent("warm a second time")
            self.warm.set_result(event)
            return
        child = self._children.get(event.number)
        if child is None:
            raise BadEvent(f"it has no child number {event.number}")
        if isinstance(event, Forked):
            self._forked(child, event)
        else:
            self._exited(child, event)

    def _forked(self, child: Child, event: Forked) -> None:
        if child.forked.done():
            raise BadEvent(f"number {child.number} forked a second time")
        with contextlib.suppress(ProcessLookupError):
            child.process = Descendant.told_by(self._forking.pid or 0, event.pid)
        child.pid = event.pid
        child.forked.set_result(event.pid)
        if child.killed_as:
            child.end()
        if child.process:
            child.process.when_gone(lambda: self._expect_exit(child))
        else:
            self._expect_exit(child)

    def _exited(self, child: Child, event: Exited) -> None:
        if child.process and not child.process.gone:
            raise BadEvent(f"it tells the exit of process {child.pid}, which is there")
        if not child.forked.done() and (event.status is not None or self._gate):  # it may have forked secretly
            raise BadEvent(f"number {child.number} was not forked: {event.error}")
        del self._children[child.number]
        child.release()
        child.exited.set_result(event)

    def _expect_exit(self, child: Child) -> None:
        """It has gone; its parent must tell so."""

        def check() -> None:
            if not child.exited.done():
                self._disbelieve(f"it does not tell that process {child.pid} has gone")

        asyncio.get_running_loop().call_later(TELL_TIMEOUT_S, check)

    def _disbelieve(self, reason: str) -> None:
        """It is broken, or was taken over."""
        if self.lost.is_set():
            return
        log.error("forking_process_disbelieved", child_pid=self._forking.pid, reason=reason)
        self._lose()
        if isinstance(self._forking, Child):
            self._forking.kill(Outcome.CRASHED)
        else:
            self._forking.kill()

    def _lose(self) -> None:
        """The forking process is gone: so are its children, and who waits for one shall know."""
        if self.lost.is_set():
            return
        self.lost.set()
        self._control.close()
        if self._gate:
            self._gate.close()
        for child in self._children.values():
            child.parent_lost = True
            child.end()
            child.release()
            child.exited.set_result(
                Exited(number=child.number, status=None, error="the process it was forked from died")
            )
        self._children.clear()
        if not self.warm.done():
            self.warm.set_exception(ForkserverLost())
            self.warm.exception()  # seen here, so that nobody needs to wait for it


def signal_group(pid: int, number: signal.Signals) -> None:
    """To a child's process group; no error when it is gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
