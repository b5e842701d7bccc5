"""Records out of Redis's fields, and the shape of a row's values."""

import pytest

from jobs.kept import row_bytes, row_shape
from jobs.options import Options
from jobs.records import Blob, Chunk, Input, Layout, ModelInfo, job_from_hash, json_text
from jobs.spans import Span
from jobs.states import ENDED, JobState
from tests.jobs.steps import MODEL

FIELDS = {
    b"job_id": b"j",
    b"state": b"failed",
    b"created_at": b"12.5",
    b"options": b'{"seed":7}',
    b"inputs": b'{"data":{"blob":{"id":"b","size":4,"sha256":"s"}},"model":{"trusted_name":"m"}}',
    b"blobs": b'["b"]',
    b"rows": b"10",
}


def test_no_fields_are_no_job() -> None:
    assert job_from_hash({}) is None
    assert job_from_hash({b"rows": b"1"}) is None


def test_fields_are_read_by_their_types() -> None:
    job = job_from_hash(FIELDS)
    assert job
    assert (job.job_id, job.state, job.created_at, job.rows) == ("j", JobState.FAILED, 12.5, 10)
    assert (job.options, job.blobs) == (Options(seed=7), ["b"])
    assert (job.rows_done, job.chunks_done, job.attempts, job.crashes, job.peak_bytes) == (0, 0, 0, 0, 0)
    assert (job.started_at, job.chunks, job.model, job.error, job.summary) == (None,) * 5


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_has_ended_in_a_terminal_state(state: JobState) -> None:
    job = job_from_hash(FIELDS | {b"state": state.value.encode()})
    assert job
    assert job.ended is (state in ENDED)


@pytest.mark.parametrize(
    ("causes", "told"), [(b"[]", False), (b'[{"attempt":1}]', False), (b'[{"a":1},{"a":2}]', True)]
)
def test_causes_are_told_where_there_was_more_than_one(causes: bytes, told: bool) -> None:
    job = job_from_hash(FIELDS | {b"error": b'{"code":"crashed","message":"m"}', b"causes": causes})
    assert job
    assert job.error
    assert ("causes" in job.error.detail) is told
    alone = job_from_hash(FIELDS | {b"causes": causes})
    assert alone
    assert alone.error is None


def test_an_input_is_known_by_its_content_or_by_its_name() -> None:
    assert Input(blob=Blob(id="b", size=1, sha256="s"), registered="churn").identity == "s"
    assert Input(trusted_name="m").identity == "trusted:m"


def test_a_chunk_is_made_of_its_span_and_gives_it_back() -> None:
    span = Span(first=3, last=7, span_first=2, start=10, end=99)
    chunk = Chunk.of_span(span)
    assert (chunk.id, chunk.kind, chunk.span, span.rows) == ("3-7", "rows", span, 5)
    assert (chunk.attempts, chunk.crashes, chunk.token, chunk.owner, chunk.incarnation) == (0, 0, 0, "", "")


def _shape(outputs: int, *, interactions: bool) -> tuple[tuple[int, ...], int]:
    layout = Layout(format="csv", columns=["a", "b", "c"], features=["a", "b", "c"])
    model = ModelInfo(**{name: getattr(MODEL, name) for name in MODEL.__struct_fields__} | {"outputs": ["o"] * outputs})
    options = Options(interactions=interactions)
    return row_shape(layout, model, options), row_bytes(layout, model, options)


def test_one_output_has_no_axis_of_its_own() -> None:
    assert _shape(1, interactions=False) == ((3,), 24)
    assert _shape(2, interactions=False) == ((3, 2), 48)
    assert _shape(1, interactions=True) == ((3, 3), 72)
    assert _shape(2, interactions=True) == ((3, 3, 2), 144)


def test_what_json_cannot_say_is_null() -> None:
    assert json_text([float("nan"), float("inf"), 1.5]) == "[null,null,1.5]"
