"""The messages between a supervisor and its children, and their bytes: a length, then MessagePack.

A child may have run a hostile model, so what it sends is decoded into these types and refused otherwise; nothing is
ever unpickled. The child asks and the supervisor answers: data flows only when it is wanted, a piece at a time, so
neither side ever holds a file. Does not cover sockets: `child.pipe` is one end, `supervisor.children.pipe` the other.
"""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from jobs.options import Options

LENGTH = struct.Struct(">I")
MAX_FRAME_BYTES = 8 * 1024 * 1024
PLACE = struct.Struct("<QQ")
PIECE_BYTES = 256 * 1024 - 64
"""Uploads, results and what a child reads at once are cut into pieces of this size: with its header one fits a size
class of Redis's allocator, which would otherwise round it up by a quarter."""


class Span(msgspec.Struct, kw_only=True, frozen=True, array_like=True):
    """Rows `first` to `last` (inclusive, from 0), found in bytes `start` to `end` (exclusive) of the data.

    Row `span_first` is the one that begins at `start`: a halved chunk keeps its parent's bytes and skips rows.
    """

    first: int
    last: int
    span_first: int
    start: int
    end: int

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    @property
    def chunk_id(self) -> str:
        return f"{self.first}-{self.last}"


class Spans(msgspec.Struct, kw_only=True, frozen=True):
    """The spans of all chunks of `rows` rows, `per_chunk` in each but the last: a sequence that makes a Span when it is
    asked for one, as a job may have tens of thousands.
    """

    rows: int
    per_chunk: int
    places: bytes
    """Start and end of each, as PLACE."""

    @classmethod
    def at(cls, rows: int, per_chunk: int, places: Iterable[tuple[int, int]]) -> "Spans":
        packed = array("Q", chain.from_iterable(places))
        if sys.byteorder == "big":
            packed.byteswap()
        return cls(rows=rows, per_chunk=per_chunk, places=packed.tobytes())

    def __post_init__(self) -> None:
        if self.rows < 0 or self.per_chunk < 1 or len(self.places) != PLACE.size * -(-self.rows // self.per_chunk):
            raise ValueError("rows and places do not go together")

    def __len__(self) -> int:
        return len(self.places) // PLACE.size

    def __getitem__(self, number: int) -> Span:
        first = range(0, self.rows, self.per_chunk)[number]
        start, end = PLACE.unpack_from(self.places, first // self.per_chunk * PLACE.size)
        last = min(first + self.per_chunk, self.rows) - 1
        return Span(first=first, last=last, span_first=first, start=start, end=end)

    def __iter__(self) -> Iterator[Span]:
        return map(self.__getitem__, range(len(self)))


class ModelInfo(msgspec.Struct, kw_only=True, frozen=True):
    """What a child found out about a model, and how it will be explained."""

    family: str
    """xgboost, lightgbm, catboost or scikit-learn."""
    name: str
    """The estimator's class name, as the user knows it."""
    n_features: int
    features: list[str] | None
    """None where the model was fitted without names."""
    outputs: list[str]
    """A name for each explained output; for classifiers the class labels."""
    base_values: list[float]
    """One for each output. For sampling explainers the mean prediction over the background."""
    explainer: str
    """tree, linear, permutation or kernel."""
    engine: str
    """What computes the values, e.g. `shap.TreeExplainer (path-dependent)`."""
    reason: str
    """Why this explainer, in a sentence."""
    explains: str
    """What the values add up to: `margin`, `probability`, `prediction`, ..."""


class Layout(msgspec.Struct, kw_only=True, frozen=True):
    """What the opening child found out about the data, handed to the children of each chunk."""

    format: str
    columns: list[str]
    """The data's columns in the data's order."""
    features: list[str]
    """The same in the model's order: the order of the values."""
    order: list[int] | None = None
    """features[i] = columns[order[i]]; None when they are in order already."""
    detail: dict[str, Any] = {}
    """For the reader of this format: dtype, row bytes, ..."""


class MemoryReport(msgspec.Struct, kw_only=True, frozen=True):
    """A child's own account of its memory, in bytes; zeros where the platform does not tell."""

    peak_bytes: int = 0
    vm_peak_bytes: int = 0
    vm_hwm_bytes: int = 0


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
    ensemble: str | None = None
    """A file that an earlier Converted has written: read it instead of the part `model`."""
    into: str | None = None
    """Where to write such a file."""


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


class Explain(msgspec.Struct, tag=True, kw_only=True):
    """Explain one chunk of the part `data`."""

    sizes: dict[str, int]
    layout: Layout
    span: Span


class Close(msgspec.Struct, tag=True, kw_only=True):
    """Sum up: the part `partials` holds each chunk's Partial, one frame after the other."""

    sizes: dict[str, int]
    model: ModelInfo
    layout: Layout


class Data(msgspec.Struct, tag=True):
    """The answer to Read: exactly the bytes asked for, fewer only at the end of the part."""

    data: bytes


# --- from a child ----------------------------------------------------------------------------------------------


class Read(msgspec.Struct, tag=True):
    """Asks for bytes of a part; at most PIECE_BYTES at once."""

    part: str
    offset: int
    length: int


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
    """A piece of the chunk's values: float64, little-endian, C order, (rows, features[, features][, outputs])."""

    data: bytes


class Partial(msgspec.Struct, kw_only=True):
    """What the summary needs of one chunk."""

    rows: int
    abs_sum: list[list[float]]
    """(features, outputs): the sum of |SHAP value| over the rows. For interactions, of |row sums|."""
    value_sum: list[list[float]]
    """(features, outputs): the signed sum, for the direction of an effect."""
    largest_error: float
    """The largest |base + sum of values - the model's own output|."""
    tolerance: float
    """What was allowed for it."""


class Done(msgspec.Struct, tag=True, kw_only=True):
    """The attempt succeeded. A chunk carries its partial, the closing child (or a one-chunk job) the summary."""

    memory: MemoryReport
    partial: Partial | None = None
    summary: dict[str, Any] | None = None


class Failed(msgspec.Struct, tag=True, kw_only=True):
    """The attempt ended with a problem that the child could still report."""

    kind: str
    """`refused`: no retry can help; `memory`: MemoryError; `raised`: any other exception."""
    code: str
    message: str
    detail: dict[str, Any] = {}
    memory: MemoryReport = MemoryReport()


Request = Load | Open | Explain | Close
FromSupervisor = Load | Open | Explain | Close | Data
FromChild = Read | Ready | Converted | Unsuited | Plan | Values | Done | Failed

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
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
        raise BadFrame(str(error)) from error
