"""What a template that was taken over may tell of its forks, or of its model. Runs in scripted templates, whose loop
is the real one.

A lie gets the template, what an honest one would tell, and the pid of a process that is none of its business.
"""

import struct
import sys
from collections.abc import Callable
from typing import Any

import msgspec

from jobs.protocol import Converted, Load, Unsuited
from supervisor.children.fork_protocol import Event, Exited, Forked, Warm, encode_event

Send = Callable[[bytes], None]
Lie = Callable[[Send, Event, int], None]


def lie(name: str, bystander: int) -> None:
    """From now on, in this process."""
    forkserver: Any = sys.modules["__main__"].Forkserver  # type: ignore[attr-defined]

    def tell(self: Any, event: Event) -> None:
        LIES[name](self._control.sendall, event, bystander)

    forkserver._tell = tell


def never(how: str, request: Load) -> Converted | Unsuited:
    """Answers of who will never be ready: it always needs something else."""
    if how == "arrays" and request.into:
        return Converted()
    return Unsuited("the test says so", unreadable=how != "suited")


def _instead_of(kind: type, *others: Callable[[Any, int], bytes]) -> Lie:
    """Tell something else, or nothing, instead of events of this kind."""

    def told(send: Send, event: Event, bystander: int) -> None:
        for other in others if isinstance(event, kind) else [_honestly]:
            send(other(event, bystander))

    return told


def _framed(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + body


def _honestly(event: Event, _: int) -> bytes:
    return encode_event(event)


def _changed(**fields: Any) -> Callable[[Any, int], bytes]:
    return lambda event, _: encode_event(msgspec.structs.replace(event, **fields))


LIES: dict[str, Lie] = {
    "a foreign pid": _instead_of(Forked, lambda event, pid: encode_event(Forked(number=event.number, pid=pid))),
    "no pid": _instead_of(Forked, _changed(pid=0)),
    "a pid beyond all measure": _instead_of(Forked, _changed(pid=2**63)),
    "forked twice": _instead_of(Forked, _honestly, _honestly),
    "an unknown number": _instead_of(Forked, _changed(number=77)),
    "an exit of who is there": _instead_of(
        Forked, _honestly, lambda event, _: encode_event(Exited(number=event.number, status=0))
    ),
    "an exit of who was not forked": _instead_of(
        Forked, lambda event, _: encode_event(Exited(number=event.number, status=0))
    ),
    "no exit status": _instead_of(Exited, _changed(status=0x137F)),
    "a status beyond all measure": _instead_of(Exited, _changed(status=2**40)),
    "warm twice": _instead_of(Warm, _honestly, _honestly),
    "no message": _instead_of(Forked, lambda *_: _framed(b"\xc1\xc1")),
    "no text": _instead_of(Forked, lambda *_: _framed(b"\x81\xa4type\xa1\xff")),
    "an empty message": _instead_of(Forked, lambda *_: _framed(b"")),
    "nothing of a fork": _instead_of(Forked),
    "nothing of an exit": _instead_of(Exited),
}
