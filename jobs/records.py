"""What is kept of jobs and chunks, as typed records. Read by the web process and the supervisor.

Does not write anything: see `store` and `queue`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from jobs.errors import UnreadableRecord
from jobs.options import Options
from jobs.spans import Span
from jobs.states import ENDED, ChunkState, JobState
from jobs.warnings import JobWarnings

LARGEST_FLOAT = 1.7976931348623157e308
Finite = Annotated[float, msgspec.Meta(ge=-LARGEST_FLOAT, le=LARGEST_FLOAT)]
"""Neither NaN nor infinite, which JSON cannot say."""
Time = Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Seconds since the epoch; up to the year 9999, as far as dates go."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]


class Blob(msgspec.Struct, kw_only=True, frozen=True):
    """An upload that lies in the blob store."""

    id: str
    size: int
    sha256: str


class Input(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """A part of a job: an upload, a registered model (its upload and its name), or an operator's model file."""

    blob: Blob | None = None
    trusted_name: str | None = None
    registered: str | None = None

    @property
    def identity(self) -> str:
        return self.blob.sha256 if self.blob else f"trusted:{self.trusted_name}"


class Chunk(msgspec.Struct, kw_only=True, omit_defaults=False):
    """A unit of dispatch and retry: `open`, `close`, or the rows of a span."""

    id: str
    kind: Literal["open", "rows", "close"]
    state: ChunkState = ChunkState.PENDING
    attempts: int = 0
    crashes: int = 0
    """Times that a supervisor was lost while it worked on this; counted apart from attempts."""
    token: int = 0
    owner: str = ""
    incarnation: str = ""
    """Which process under the owner's name holds the lease."""
    first: int = 0
    last: int = 0
    span_first: int = 0
    start: int = 0
    end: int = 0

    @property
    def span(self) -> Span:
        return Span(first=self.first, last=self.last, span_first=self.span_first, start=self.start, end=self.end)

    @classmethod
    def of_span(cls, span: Span) -> "Chunk":
        return cls(id=span.chunk_id, kind="rows", **msgspec.structs.asdict(span))

    def opened(self, span: Span) -> "Chunk":
        """Of `open`: the job's only chunk, which goes on under its token, with its tries."""
        found = Chunk.of_span(span)
        found.token, found.attempts, found.crashes = self.token, self.attempts, self.crashes
        return found


OPEN = Chunk(id="open", kind="open")


def chunk_from(raw: bytes | None) -> Chunk | None:
    """The record of a chunk; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(raw, type=Chunk) if raw else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


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
    base_values: list[Finite]
    """One for each output. For sampling explainers the mean prediction over the background."""
    explainer: str
    """tree, linear, exact, permutation or kernel."""
    engine: str
    """What computes the values, e.g. `shap.TreeExplainer (path-dependent)`."""
    reason: str
    """Why this explainer, in a sentence."""
    explains: str
    """What the values add up to: `margin`, `probability`, `prediction`, ..."""
    columns: list[str] | None = None
    """What the values are of where that is not the features: a pipeline's steps may mix them."""
    warnings: JobWarnings = []

    def values_of(self, layout: "Layout") -> list[str]:
        """What the values are of, in their order: the features, as the data names them, or columns of its own."""
        return layout.grouped or self.ungrouped(layout)

    def ungrouped(self, layout: "Layout") -> list[str]:
        """The same before the options' groups are added up."""
        return layout.features if self.columns is None else self.columns


class About(msgspec.Struct, kw_only=True, frozen=True):
    """What a list of jobs shows of a model and a layout: neither their names, which may take a megabyte, nor values."""

    family: str
    name: str
    features: int
    outputs: int
    explainer: str
    engine: str
    reason: str
    explains: str

    @classmethod
    def of(cls, model: ModelInfo, layout: "Layout") -> "About":
        return cls(
            family=model.family,
            name=model.name,
            features=len(model.values_of(layout)),
            outputs=len(model.outputs),
            explainer=model.explainer,
            engine=model.engine,
            reason=model.reason,
            explains=model.explains,
        )


class Layout(msgspec.Struct, kw_only=True, frozen=True):
    """What the opening child found out about the data, handed to the children of each chunk."""

    format: str
    columns: list[str]
    """The data's columns in the data's order."""
    features: list[str]
    """The same in the model's order: the order of the values."""
    order: list[int] | None = None
    """features[i] = columns[order[i]]; None when they are in order already."""
    id_place: int | None = None
    """Which of the columns holds the rows' ids."""
    whole_ids: bool = False
    """The file says that they are integers, which only some formats do."""
    by_place: int | None = None
    """Which of them says to which cohort a row belongs."""
    grouped: list[str] | None = None
    """What the values are of, where the options' groups are added up."""
    detail: dict[str, Any] = {}
    """For the reader of this format: dtype, row bytes, ..."""
    warnings: JobWarnings = []


MOST_PAIRS = 40_000
"""Interactions of a row that are summed up: features times features times outputs."""


MOST_COHORTS, MOST_COHORT_NUMBERS = 50, 100_000
"""Cohorts of a job, and their sums: cohorts times features times outputs."""
Label = Annotated[str, msgspec.Meta(max_length=200)] | Finite | None
"""What the rows of a cohort have in common; None where the cell is missing."""


class Cohort(msgspec.Struct, kw_only=True):
    """The rows of a chunk, or of a job, that have the same label."""

    label: Label
    rows: int
    sums: bytes
    """float64 (2, features, outputs): of |value| and of values."""


class Partial(msgspec.Struct, kw_only=True):
    """What the summary needs of one chunk."""

    rows: int
    sums: bytes = b""
    """float64 (2, features, outputs): over the rows, of |SHAP value| and of SHAP values, which have a direction; for
    interactions, of row sums. Empty in what an older version has left: see `OlderPartial`."""
    largest_error: float
    """The largest |base + sum of values - the model's own output|."""
    tolerance: float
    """What was allowed for it."""
    warnings: JobWarnings = []
    pair_sum: bytes = b""
    """float64 (columns, columns, outputs): the sum of |interaction value| over the rows, of the columns that the result
    has. Empty where there are no interactions, or more than MOST_PAIRS of them."""
    cohorts: list[Cohort] = []
    """Where the options say `by`."""
    drawn: bytes = b""
    """float64 (rows, features, outputs) of some rows, for quantiles; where nothing else is kept of rows."""


class OlderPartial(Partial, kw_only=True):
    """Of a chunk that was explained before sums were bytes, in a job that was under way when this version came."""

    abs_sum: list[list[float]]
    value_sum: list[list[float]]


class JobError(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why a job failed: the code of a problem or of an outcome, a sentence, and the data behind it.

    `causes` in the detail, where there was more than one: how each attempt of the chunk went, the first first.
    """

    code: str
    message: str
    detail: dict[str, Any] = {}


class FollowUp(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What was asked for; URLs may hold signatures, so nobody is shown them."""

    callback_url: Url | None = None
    """Is told the end."""
    result_url: Url | None = None
    """Gets the values of a job that has finished, by PUT, as NPY."""

    def __bool__(self) -> bool:
        return bool(self.callback_url or self.result_url)


NO_FOLLOW_UP = FollowUp()


class Delivery(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """How far it is."""

    state: Literal["waiting", "delivered", "given_up"]
    attempts: int = 0
    at: float | None = None
    """Of the last attempt, in seconds since the epoch."""
    result_put: bool = False
    error: str | None = None
    """Why the last attempt did not succeed."""


class Job(msgspec.Struct, kw_only=True):
    """A job record. Times are seconds since the epoch by Redis's clock.

    Lists of jobs are read without `LEFT_OUT`.
    """

    job_id: str
    state: JobState
    created_at: Time
    caller: str = ""
    """Whose it is; empty: the unnamed caller's."""
    traceparent: str | None = None
    """Of the request that submitted it, where traces are sent."""
    options: Options
    inputs: dict[str, Input]
    blobs: list[str]
    started_at: Time | None = None
    ended_at: Time | None = None
    rows: Count | None = None
    rows_done: Count = 0
    chunks: Count | None = None
    chunks_done: Count = 0
    attempts: Count = 0
    crashes: Count = 0
    peak_bytes: Count = 0
    cap_bytes: Count | None = None
    about: About | None = None
    warnings: JobWarnings = []
    """What is odd about its model, its data and its rows, as far as that is known."""
    model: ModelInfo | None = None
    layout: Layout | None = None
    error: JobError | None = None
    follow_up: FollowUp | None = None
    delivery: Delivery | None = None
    """How far the follow-up is; None before the first attempt."""
    summary: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


LEFT_OUT = frozenset({"model", "layout", "summary"})
SHOWN_ID, SHOWN_REASON = 64, 300
_OF_FOLLOW_UP = frozenset({"follow_up", "delivery"})
_JSON_FIELDS = LEFT_OUT | _OF_FOLLOW_UP | {"options", "inputs", "blobs", "about", "warnings", "error", "causes"}
LISTED = [*(name for name in Job.__struct_fields__ if name not in LEFT_OUT), "causes"]
"""The fields that a list of jobs is made from."""


def job_from_hash(fields: Mapping[bytes, bytes]) -> Job | None:
    """The record from Redis's fields; None when there are none. Raises UnreadableRecord."""
    if b"state" not in fields and b"job_id" not in fields:
        return None
    try:
        return _decoded(fields)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        job_id = fields.get(b"job_id", b"").decode(errors="replace")
        raise UnreadableRecord(what=f"job {job_id[:SHOWN_ID]}", reason=str(error)[:SHOWN_REASON]) from None


def _decoded(fields: Mapping[bytes, bytes]) -> Job:
    values = {
        name: msgspec.json.decode(raw) if name in _JSON_FIELDS else raw.decode()
        for name, raw in ((key.decode(), value) for key, value in fields.items())
    }
    causes = values.pop("causes", [])
    job = msgspec.convert(values, Job, strict=False)
    if not job.about and job.model and job.layout:  # planned by an older version
        job.about = About.of(job.model, job.layout)
    if job.error and len(causes) > 1:
        job.error.detail["causes"] = causes
    return job


def json_text(value: Any) -> str:
    """JSON for a field or an argument; msgspec writes NaN and infinity as null."""
    return msgspec.json.encode(value).decode()
