"""What a supervisor and its forking processes say to each other. Used at both ends of a control socket.

Commands carry descriptors and have a fixed size, so that each is received together with its descriptors; events are
frames. Does not cover what a child says of its work: see `jobs.protocol`.
"""

import os
import struct
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

COMMAND_BYTES = 256
MAX_DESCRIPTORS = 4
GATE = b"g"
"""Comes first from a template, with a descriptor where there is one: see `fork_gate`."""
FILE_DESCRIPTOR = 100
"""Under this number a template finds the one file that it may read or write."""
HARD_MARGIN_BYTES = 16 * 1024 * 1024
"""RLIMIT_AS: the hard limit lies this much above the soft one (the cap), room in which a child reports its end."""
UNSEEN_BYTES, UNSEEN_SHARE = 16 * 1024 * 1024, 0.1
"""Of the cap, but no more than that share: for what a child adds without enlarging its address space: inherited pages
that it writes to, and buffers that OpenBLAS has reserved and not touched before the fork (6.5 MB a copy of it)."""
_LENGTH = struct.Struct(">H")
Pid = Annotated[int, Meta(ge=1, le=2**22)]
"""No kernel has more."""
Bytes = Annotated[int, Meta(ge=0, lt=2**48)]
"""No address space is larger."""
Layers = Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)]


class BadEvent(Exception):
    """A forking process told what cannot be."""


class Fork(msgspec.Struct, kw_only=True):
    """Fork once. Descriptors: the child's connection, its stderr, and for a template its control socket and, if
    it is given one, a file.
    """

    number: int
    role: Literal["child", "template"]
    cap_bytes: int
    """What it may add to the memory it is forked with; 0: keep the limit that is inherited."""


class Warm(msgspec.Struct, tag=True, kw_only=True):
    """Ready to fork. Sizes in bytes."""

    pid: Pid
    rss_bytes: Bytes
    anon_bytes: Bytes
    vm_size_bytes: Bytes
    sandbox_active: Layers = []
    """Its layers that are on,"""
    sandbox_missing: Layers = []
    """and those that the platform has not got."""


class Forked(msgspec.Struct, tag=True, kw_only=True):
    """The command was carried out."""

    number: int
    pid: Pid


class Exited(msgspec.Struct, tag=True, kw_only=True):
    """A forked process is gone; `status` is what waitpid said, None when there was no process to begin with."""

    number: int
    status: Annotated[int, Meta(ge=0, le=0xFFFF)] | None
    error: Annotated[str, Meta(max_length=200)] | None = None


Event = Warm | Forked | Exited

_encoder = msgspec.msgpack.Encoder()
_command = msgspec.msgpack.Decoder(Fork)
_event = msgspec.msgpack.Decoder(Event)


def address_space_bytes(base_bytes: int, cap_bytes: int) -> int:
    """RLIMIT_AS of a child that is forked from an address space of `base_bytes` and may add `cap_bytes` of memory."""
    return base_bytes + cap_bytes - min(UNSEEN_BYTES, int(UNSEEN_SHARE * cap_bytes))


def encode_command(fork: Fork) -> bytes:
    """Always COMMAND_BYTES long."""
    body = _encoder.encode(fork)
    return (_LENGTH.pack(len(body)) + body).ljust(COMMAND_BYTES, b"\0")


def decode_command(raw: bytes) -> Fork:
    (length,) = _LENGTH.unpack_from(raw)
    return _command.decode(raw[_LENGTH.size : _LENGTH.size + length])


def encode_event(event: Event) -> bytes:
    body = _encoder.encode(event)
    return _LENGTH.pack(len(body)) + body


def event_length(header: bytes) -> int:
    return int(_LENGTH.unpack(header)[0])


def decode_event(body: bytes) -> Event:
    """Raises BadEvent."""
    try:
        event: Event = _event.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEvent(str(error)) from error
    if isinstance(event, Exited) and event.status is not None and not _is_end(event.status):
        raise BadEvent(f"status {event.status} is no exit")
    return event


def _is_end(status: int) -> bool:
    return os.WIFEXITED(status) or os.WIFSIGNALED(status)


EVENT_HEADER_BYTES = _LENGTH.size
