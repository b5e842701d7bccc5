"""Commands as a forkserver reads them. What it does with them: see `test_pool` and `tests/supervisor`."""

import os
import socket

import msgspec
import pytest

from supervisor.children.fork_protocol import BadEvent, Fork, decode_event, encode_command
from supervisor.children.forkserver import _receive


def test_a_command_in_pieces_is_read_whole_and_nothing_of_the_next_one() -> None:
    first, second = (Fork(number=number, role="child", cap_bytes=5) for number in (1, 2))
    ours, theirs = socket.socketpair()
    with ours, theirs, open(os.devnull, "rb") as file:
        socket.send_fds(ours, [encode_command(first)[:100]], [file.fileno()])
        ours.sendall(encode_command(first)[100:] + encode_command(second) + b"cut off")
        ours.shutdown(socket.SHUT_WR)
        found, descriptors = _receive(theirs) or (None, [])
        assert (found, len(descriptors)) == (first, 1)
        os.close(descriptors[0])
        assert _receive(theirs) == (second, [])
        assert _receive(theirs) is None


@pytest.mark.parametrize("pid", [0, -1, 2**22 + 1, 2**40])
def test_a_pid_that_linux_has_not_got_is_not_believed(pid: int) -> None:
    with pytest.raises(BadEvent):
        decode_event(msgspec.msgpack.encode({"type": "Forked", "number": 1, "pid": pid}))
    decode_event(msgspec.msgpack.encode({"type": "Forked", "number": 1, "pid": 2**22}))
