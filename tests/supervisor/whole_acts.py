"""What scripted children say of small jobs: everything at once, honestly or not. See `scripted`."""

import struct
import time
from typing import Any

import msgspec

from jobs.protocol import Done, MemoryReport, Plan, Whole
from jobs.spans import Spans


class WholeActs:
    """Of a job of two rows."""

    @staticmethod
    def no_document(pipe: Any, _: str) -> None:
        """A summary that is not JSON."""
        pipe.send(Done(memory=MemoryReport(), summary={"x": msgspec.msgpack.Ext(5, b"x")}))
        time.sleep(60)

    @staticmethod
    def whole(pipe: Any, _: str) -> None:
        say(pipe, rows=2, per_chunk=2, values=struct.pack("<2d", 0, 1))

    @staticmethod
    def whole_with_too_little(pipe: Any, _: str) -> None:
        say(pipe, rows=2, per_chunk=2, values=struct.pack("<d", 0))

    @staticmethod
    def whole_of_two_chunks(pipe: Any, _: str) -> None:
        say(pipe, rows=2, per_chunk=1, values=struct.pack("<2d", 0, 1))
        time.sleep(60)


def say(pipe: Any, *, rows: int, per_chunk: int, values: bytes) -> None:
    from tests.supervisor.scripted import LAYOUT, PARTIAL

    spans = Spans.at(rows, per_chunk, [(0, 1)] * (rows // per_chunk))
    done = Done(memory=MemoryReport(peak_bytes=1234), partial=PARTIAL, summary={"closed": True})
    pipe.send(Whole(plan=Plan(layout=LAYOUT, spans=spans), values=values, done=done))
