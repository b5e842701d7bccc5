"""The messages between a supervisor and its children, and their bytes: a length, then MessagePack.

A child may have run a hostile model, so what it sends is decoded into these types and refused otherwise; nothing is
ever unpickled. The child asks and the supervisor answers: data flows only when it is wanted, a piece at a time, so
neither side ever holds a file. Does not cover sockets: `child.pipe` is one end, `supervisor.children.pipe` the other.
"""

import struct
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jobs.options import Options
from jobs.records import Layout, ModelInfo, Partial
from jobs.sample import SampledRows
from jobs.spans import Span, Spans

LENGTH = struct.Struct(">I")
MAX_FRAME_BYTES = 12 * 1024 * 1024
"""More than a chunk ever tells: its sample, its cohorts, and the sums of MOST_VALUES."""
MOST_VALUES = 130_000
"""Of a row: features times outputs."""
PIECE_BYTES = 256 * 1024 - 64
"""Uploads, results and what a child reads at once are cut into pieces of this size: with its header one fits a size
class of Redis's allocator, which would otherwise round it up by a quarter."""


SMALL_BYTES = 16 * 1024
"""Rows, or values, so few that they go along with what is said anyway."""

MOST_STRIPS = 64
"""Of a part that are read at once: Redis looks into as many pieces, some 30 microseconds each."""

MOST_IDS_BYTES = 4 * 1024 * 1024

Bytes = Annotated[int, Meta(ge=0, lt=2**48)]
"""No address space is larger."""

MOST_NAME = 10_000
"""Characters of a name, of a feature for example."""

FailureKind = Literal["refused", "memory", "raised"]


class MemoryReport(msgspec.Struct, kw_only=True, frozen=True):
    """A child's own account of its memory, in bytes; zeros where the platform does not tell."""

    peak_bytes: Bytes = 0
    vm_peak_bytes: Bytes = 0
    vm_hwm_bytes: Bytes = 0


# --- from the supervisor ---------------------------------------------------------------------------------------


class Load(msgspec.Struct, tag=True, kw_only=True):
    """Become a template: read the model and (where there is one) the part `background`, and answer Ready.

    A model of trees that our engine explains is not kept as it came: without `ensemble`, its arrays are written to
    `into`, the answer is Converted, and a lean template reads them. A lean process that cannot do what is asked, or
    not read this model, answers Unsuited, and a full one is asked.
    """

    options: Options
    sizes: dict[str, int]
    """Bytes of each part that can be read."""
    trusted: bool = False
    """The model is the operator's own file: a pickle is allowed."""
    ensemble: int | str | None = None
    """A file that an earlier Converted has written, or its descriptor: read it instead of the part `model`."""
    into: int | str | None = None
    """Where to write such a file, or its descriptor."""


class Open(msgspec.Struct, tag=True, kw_only=True):
    """Read the part `data`, check it against the model, cut it; explain it at once if it is one chunk."""

    sizes: dict[str, int]
    batch_size: int | str
    cap_bytes: int
    """What this child may take beside its model."""
    model_bytes: int = 0
    """What it began with: its model."""
    slots: int = 1
    """Children that work at once."""
    dry_run: bool = False
    """Only say what it would take: Done with a forecast for a summary, and no Plan."""
    sample_rows: int = 0
    """The most rows of the job that are kept to be shown: see `jobs.sample`."""
    data: bytes = b""
    """All of that part where it has SMALL_BYTES at most; it need not be asked for."""


class Explain(msgspec.Struct, tag=True, kw_only=True):
    """Explain one chunk of the part `data`."""

    sizes: dict[str, int]
    layout: Layout
    span: Span
    rows: int = 0
    """Of the whole job."""
    sample_rows: int = 0
    data: bytes = b""
    """See `Open`."""


class Close(msgspec.Struct, tag=True, kw_only=True):
    """Sum up: the part `partials` holds each chunk's Partial, one frame after the other."""

    sizes: dict[str, int]
    model: ModelInfo
    layout: Layout
    options: Options


class Data(msgspec.Struct, tag=True):
    """The answer to Read: exactly the bytes asked for, fewer only at the end of the part."""

    data: bytes


# --- from a child ----------------------------------------------------------------------------------------------


class Read(msgspec.Struct, tag=True):
    """Asks for bytes of a part: `count` strips of `length` bytes, `step` apart; at most PIECE_BYTES at once."""

    part: Annotated[str, Meta(max_length=64)]
    offset: int
    length: int
    step: Bytes = 0
    count: Annotated[int, Meta(ge=1, le=MOST_STRIPS)] = 1


class Ready(msgspec.Struct, tag=True):
    """A template has loaded its model and can be forked from."""

    model: ModelInfo


class Converted(msgspec.Struct, tag=True):
    """The model's arrays are in the file that Load named, complete; this process is done."""


class Unsuited(msgspec.Struct, tag=True):
    """A lean process cannot do this; `reason` says why, to follow "as"."""

    reason: str
    unreadable: bool = False
    """The file of arrays is none that this process reads: cut off, or of another version."""


class Plan(msgspec.Struct, tag=True, kw_only=True):
    """The data is read and cut. With one span its values follow in this same attempt."""

    layout: Layout
    spans: Spans


class Values(msgspec.Struct, tag=True):
    """A piece of what is kept of the chunk's values: float64, little-endian, C order, (rows, ...): see
    `jobs.kept`."""

    data: bytes


class Ids(msgspec.Struct, tag=True):
    """The ids of the chunk's rows, before its values: MessagePack, a list of text, numbers and nil."""

    data: Annotated[bytes, Meta(max_length=MOST_IDS_BYTES)]


class Done(msgspec.Struct, tag=True, kw_only=True):
    """The attempt succeeded. A chunk carries its partial and its rows of the sample, the closing child (or a one-chunk
    job) the summary.
    """

    memory: MemoryReport
    partial: Partial | None = None
    sample: SampledRows | None = None
    summary: dict[str, Any] | None = None


class Whole(msgspec.Struct, tag=True, kw_only=True):
    """All that a child has to say of a small job, which it has opened and explained: its only word, in the place of a
    plan of one span, values and Done.
    """

    plan: Plan
    values: Annotated[bytes, Meta(max_length=SMALL_BYTES)]
    done: Done


class Failed(msgspec.Struct, tag=True, kw_only=True):
    """The attempt ended with a problem that the child could still report."""

    kind: FailureKind
    """`refused`: no retry can help; `memory`: MemoryError; `raised`: any other exception."""
    code: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]*$", max_length=64)]
    message: str
    detail: dict[str, Any] = {}
    memory: MemoryReport = MemoryReport()


Request = Load | Open | Explain | Close
FromSupervisor = Load | Open | Explain | Close | Data
FromChild = Read | Ready | Converted | Unsuited | Plan | Ids | Values | Done | Whole | Failed

_encoder = msgspec.msgpack.Encoder()
_from_supervisor = msgspec.msgpack.Decoder(FromSupervisor)
_from_child = msgspec.msgpack.Decoder(FromChild)


class BadFrame(Exception):
    """The other end sent something that is not a message."""


def encode(message: FromSupervisor | FromChild | Partial) -> bytes:
    """A whole frame: the length and the message."""
    body = _encoder.encode(message)
    return LENGTH.pack(len(body)) + body


def frame_length(header: bytes) -> int:
    """The length of the message that follows this header. Raises BadFrame when it is beyond all measure."""
    (length,) = LENGTH.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {length} bytes")
    return int(length)


def decode_from_supervisor(body: bytes) -> FromSupervisor:
    """Raises BadFrame."""
    message: FromSupervisor = _decode(_from_supervisor, body)
    return message


def decode_from_child(body: bytes) -> FromChild:
    """Raises BadFrame."""
    message: FromChild = _decode(_from_child, body)
    return message


def _decode(decoder: msgspec.msgpack.Decoder[Any], body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(str(error)) from error
