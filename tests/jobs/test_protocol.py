"""What a child sends is decoded into known types, or refused."""

import contextlib
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.options import Options
from jobs.planner import MAX_CHUNKS
from jobs.protocol import (
    LENGTH,
    MAX_FRAME_BYTES,
    PIECE_BYTES,
    BadFrame,
    Failed,
    Ids,
    Load,
    MemoryReport,
    Open,
    Plan,
    Read,
    Unsuited,
    Values,
    decode_from_child,
    decode_from_supervisor,
    encode,
    frame_length,
)
from jobs.records import Layout
from jobs.spans import Spans


@pytest.mark.parametrize(
    "message",
    [
        Read("data", 3, 5),
        Read("data", 3, 5, 7, 64),
        Ids(b"\x90"),
        Values(b"\0" * 8),
        Failed(kind="raised", code="c", message="m"),
    ],
)
def test_messages_survive_the_pipe(message: Read | Ids | Values | Failed) -> None:
    frame = encode(message)
    assert frame_length(frame[: LENGTH.size]) == len(frame) - LENGTH.size
    assert decode_from_child(frame[LENGTH.size :]) == message


@given(st.binary(max_size=200))
def test_whatever_a_hostile_child_sends_is_a_message_or_a_bad_frame(raw: bytes) -> None:
    with contextlib.suppress(BadFrame):
        decode_from_child(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps({"type": "Done"}),
        msgspec.msgpack.encode({"type": "Done"}),
        msgspec.msgpack.encode({"type": "Read", "part": 1, "offset": 0, "length": 0}),
        msgspec.msgpack.encode({"type": "Read", "part": "data", "offset": 0, "length": 1, "count": 65}),
        msgspec.msgpack.encode({"type": "Load"}),
        msgspec.msgpack.encode({"type": "Plan", "rows": "many"}),
        b"\x91" * 5_000,
    ],
)
def test_wrong_types_are_refused(raw: bytes) -> None:
    with pytest.raises(BadFrame):
        decode_from_child(raw)


def test_a_supervisor_does_not_take_orders() -> None:
    with pytest.raises(BadFrame):
        decode_from_supervisor(encode(Values(b""))[LENGTH.size :])


def test_a_frame_beyond_all_measure_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadFrame):
        frame_length(LENGTH.pack(MAX_FRAME_BYTES + 1))


@pytest.mark.parametrize(("rows", "per_chunk"), [(7, 2), (4, 2), (5, 0), (-1, 2), (2**62, 2)])
def test_spans_that_do_not_go_together_are_refused(rows: int, per_chunk: int) -> None:
    plan = Plan(layout=Layout(format="csv", columns=[], features=[]), spans=Spans.at(5, 2, [(0, 1)] * 3))
    sent = msgspec.to_builtins(plan)
    sent["spans"] |= {"rows": rows, "per_chunk": per_chunk}
    with pytest.raises(BadFrame):
        decode_from_child(msgspec.msgpack.encode(sent))


def test_the_largest_plan_fits_one_frame() -> None:
    spans = Spans.at(MAX_CHUNKS, 1, [(10**12, 10**12)] * MAX_CHUNKS)
    plan = Plan(layout=Layout(format="csv", columns=[], features=[]), spans=spans)
    assert frame_length(encode(plan)[: LENGTH.size]) <= MAX_FRAME_BYTES


def test_a_piece_fits_a_size_class_of_the_allocator_with_its_header() -> None:
    assert PIECE_BYTES == 256 * 1024 - 64


def test_the_largest_frame_is_still_read() -> None:
    assert MAX_FRAME_BYTES == 12 * 1024 * 1024
    assert frame_length(LENGTH.pack(MAX_FRAME_BYTES)) == MAX_FRAME_BYTES
    assert frame_length(LENGTH.pack(0)) == 0


def test_what_a_message_leaves_out() -> None:
    assert msgspec.to_builtins(MemoryReport()) == {"peak_bytes": 0, "vm_peak_bytes": 0, "vm_hwm_bytes": 0}
    asked = Open(sizes={}, batch_size="auto", cap_bytes=1)
    assert (asked.model_bytes, asked.slots, asked.dry_run) == (0, 1, False)
    load = Load(options=Options(), sizes={})
    assert (load.trusted, load.ensemble, load.into) == (False, None, None)
    assert not Unsuited("why").unreadable


def test_a_child_that_is_told_nothing_of_its_memory_reports_zeros() -> None:
    assert msgspec.to_builtins(MemoryReport()) == {"peak_bytes": 0, "vm_peak_bytes": 0, "vm_hwm_bytes": 0}
