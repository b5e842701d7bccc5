"""Our end of a process that forks: the forkserver, or a template. Runs on the supervisor's event loop.

Gives children with a pipe, a stderr tail and an exit that can be awaited; when the forking process dies, so do they.
Does not judge how a child ended: see `judge`.
"""

import asyncio
import contextlib
import os
import signal
import socket
from typing import Any, Literal

from jobs.outcomes import Outcome
from supervisor.children.fork_protocol import (
    EVENT_HEADER_BYTES,
    Exited,
    Fork,
    Forked,
    Warm,
    decode_event,
    encode_command,
    event_length,
)
from supervisor.children.pipe import Pipe, StderrTail

LEAVE_TIMEOUT_S = 2.0


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
        if self.pid:
            kill_group(self.pid)

    def close(self) -> None:
        self.pipe.close()
        self.stderr.close()


class Spawner:
    """Forks children on command, and hears of their exits."""

    def __init__(self, control: socket.socket, process: asyncio.subprocess.Process | None = None) -> None:
        self._control = control
        self._process = process
        """The forkserver's; a template's process belongs to the forkserver."""
        self._children: dict[int, Child] = {}
        self._next_number = 0
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
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
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
        if self._process:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_TIMEOUT_S):
                    await self._process.wait()
                    return
            self._process.kill()
            await self._process.wait()

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=self._control.dup())
        try:
            while True:
                header = await reader.readexactly(EVENT_HEADER_BYTES)
                self._hear(decode_event(await reader.readexactly(event_length(header))))
        except (asyncio.IncompleteReadError, ConnectionError):
            self._lose()
        finally:
            writer.close()

    def _hear(self, event: Warm | Forked | Exited) -> None:
        if isinstance(event, Warm):
            self.warm.set_result(event)
            return
        child = self._children[event.number]
        if isinstance(event, Forked):
            child.pid = event.pid
            child.forked.set_result(event.pid)
            if child.killed_as:
                kill_group(event.pid)
        else:
            del self._children[event.number]
            child.exited.set_result(event)

    def _lose(self) -> None:
        """The forking process is gone: so are its children, and who waits for one shall know."""
        if self.lost.is_set():
            return
        self.lost.set()
        self._control.close()
        for child in self._children.values():
            child.parent_lost = True
            if child.pid:
                kill_group(child.pid)
            child.exited.set_result(
                Exited(number=child.number, status=None, error="the process it was forked from died")
            )
        self._children.clear()
        if not self.warm.done():
            self.warm.set_exception(ForkserverLost())
            self.warm.exception()  # seen here, so that nobody needs to wait for it


def kill_group(pid: int) -> None:
    """SIGKILL to a child's process group; no error when it is gone already."""
    signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    """To a child's process group; no error when it is gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
