"""What a child sends is decoded into known types, or refused."""

import contextlib
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.codec import (
    LENGTH,
    MAX_FRAME_BYTES,
    BadFrame,
    Failed,
    Layout,
    Plan,
    Read,
    Span,
    Values,
    decode_from_child,
    decode_from_supervisor,
    encode,
    frame_length,
)
from jobs.planner import MAX_CHUNKS


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


def test_the_largest_plan_fits_one_frame() -> None:
    span = Span(first=10**9, last=10**9, span_first=10**9, start=10**12, end=10**12)
    plan = Plan(layout=Layout(format="csv", columns=[], features=[]), rows=1, spans=[span] * MAX_CHUNKS)
    assert frame_length(encode(plan)[: LENGTH.size]) <= MAX_FRAME_BYTES
