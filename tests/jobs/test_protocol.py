"""What a child sends is decoded into known types, or refused."""

import contextlib
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.planner import MAX_CHUNKS
from jobs.protocol import (
    LENGTH,
    MAX_FRAME_BYTES,
    BadFrame,
    Failed,
    Plan,
    Read,
    Values,
    decode_from_child,
    decode_from_supervisor,
    encode,
    frame_length,
)
from jobs.records import Layout
from jobs.spans import Spans


@pytest.mark.parametrize(
    "message", [Read("data", 3, 5), Values(b"\0" * 8), Failed(kind="raised", code="c", message="m")]
)
def test_messages_survive_the_pipe(message: Read | Values | Failed) -> None:
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
