"""How many processes a template starts: one for each that it was told to fork. Runs in the supervisor; Linux only.

A template must be able to fork, and has read a hostile model. So the kernel asks us at each of its forks (by a user
notification of seccomp, put on by `sandbox` before the model is read) and waits for the answer; threads are not asked
for. See seccomp_unotify(2). Does not cover children of chunks: they start none at all.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import select
import struct

_RECEIVE, _SEND = 0xC050_2100, 0xC018_2101
"""ioctl: SECCOMP_IOCTL_NOTIF_RECV and SECCOMP_IOCTL_NOTIF_SEND,"""
_NOTICE_BYTES = 80
_ID = struct.Struct("=Q")
_ANSWER = struct.Struct("=QqiI")
"""and what they carry: id, value, error, flags."""
_GO_ON = 1


class ForkGate:
    """Answers on the running event loop, until it is closed or its processes have gone."""

    def __init__(self, listener: int) -> None:
        self._listener = listener
        self._granted = 0
        self._poll = select.poll()
        self._poll.register(listener, select.POLLIN)
        asyncio.get_running_loop().add_reader(listener, self._answer)

    def grant(self) -> None:
        """One fork more."""
        self._granted += 1

    def close(self) -> None:
        """From now on none is allowed."""
        if self._listener >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            os.close(self._listener)
            self._listener = -1

    def _answer(self) -> None:
        found = dict(self._poll.poll(0)).get(self._listener, 0)
        if not found & select.POLLIN:  # to receive would be to wait
            if found & (select.POLLHUP | select.POLLERR):
                self.close()
            return
        notice = bytearray(_NOTICE_BYTES)
        with contextlib.suppress(OSError):  # it was killed while it waited, or interrupted: then it asks again
            fcntl.ioctl(self._listener, _RECEIVE, notice)
            (number,) = _ID.unpack_from(notice)
            allowed = self._granted > 0
            answer = (0, _GO_ON) if allowed else (-errno.EPERM, 0)
            fcntl.ioctl(self._listener, _SEND, _ANSWER.pack(number, 0, *answer))
            self._granted -= allowed
