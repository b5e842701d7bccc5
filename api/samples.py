"""GET /jobs/{id}/sample: some rows of a job with their values; and what charts are drawn from. In the web process.

Of one job at a time, so that at most `jobs.sample.MOST_BYTES` are in memory. Does not draw: see `charts`.
"""

import asyncio
import sys
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import parameters, streaming
from api.auth import Realm
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.routes import Answer, Routes
from jobs.errors import NoResult, NoSample, NotReady, ResultExpired
from jobs.records import Job
from jobs.sample import Cell, SampledRows
from jobs.states import JobState
from plots.explained import Additivity, Explained, Interactions, Sample

routes = Routes(Realm.API)
NEVER_KEPT = "SAMPLE_ROWS is 0, or it ran before they were kept"
WITHOUT_ROWS = "Submit it again with SAMPLE_ROWS set; the charts bar, additivity and interactions need no rows."
WITHOUT_REDUCE = "Submit it again without it; the summary and the charts bar, additivity and interactions need no rows."


class JobSample(msgspec.Struct, kw_only=True):
    """Some rows of a job, with their values. One output has no axis of its own, as in the result."""

    job_id: str
    status: JobState
    partial: bool
    """Whether more rows will come: the job still runs."""
    total_rows: int
    """Of the job."""
    explains: str
    """What base value plus values add up to: `margin`, `probability`, `prediction`, ..."""
    features: list[str]
    outputs: list[str]
    base_values: list[float]
    rows: list[int]
    """Their numbers in the whole data, from 0 and ascending."""
    ids: list[str | int | float | None] | msgspec.UnsetType = msgspec.UNSET
    """What the job's `id_column` has in each row; left out where there is none."""
    data: list[list[float | str | None]]
    """(rows, features), as they were given; null where a value is missing, and for what a pipeline has mixed."""
    values: list[list[float | list[float]]]
    """SHAP values (rows, features[, outputs]). Of interactions, each feature's sum."""
    predictions: list[float | list[float]]
    """Of the model, (rows[, outputs]): the output that is explained."""


@routes.get(
    "/jobs/{job_id}/sample",
    "getSample",
    "Some rows with their values",
    Answer("The sample; `partial` while the job runs.", JobSample),
    link="sample",
)
async def sample(request: Request) -> Response:
    """Up to SAMPLE_ROWS rows, drawn over the whole job."""
    house = resources(request)
    job = await house.store.job(parameters.job_id(request))
    async with house.one_sample:
        found = await sampled(house, job)
        return await asyncio.to_thread(lambda: JsonResponse(_document(job, found)))


async def sampled(house: Resources, job: Job) -> list[SampledRows]:
    """Of the chunks that are done. Raises NotReady, NoResult, ResultExpired, NoSample."""
    check_opened(job)
    found = await house.store.results.sample(job.job_id)
    if found:
        return found
    if not job.ended:
        raise NotReady(state=job.state.value)
    if not await house.store.results.exist(job.job_id):
        raise ResultExpired(job_id=job.job_id, ttl_s=house.store.job_ttl_s)
    if job.options.reduce:
        raise NoSample(reason="the job's option `reduce` says so", way_out=WITHOUT_REDUCE)
    raise NoSample(reason=NEVER_KEPT, way_out=WITHOUT_ROWS)


def check_opened(job: Job) -> None:
    """Raises NotReady until its rows are counted, and NoResult for what has no values."""
    streaming.check_successful(job)
    if job.options.dry_run:
        raise NoResult(state=job.state.value, reason="It was a dry run, which computes no values.")
    if not (job.model and job.layout):
        raise NotReady(state=job.state.value)


def explained(job: Job, found: Sequence[SampledRows]) -> Explained:
    """The job as charts know it. Without rows of a sample, what the summary tells."""
    assert job.model
    assert job.layout
    summary: dict[str, Any] = job.summary or {}
    features, known = job.model.values_of(job.layout), set(job.layout.features)
    return Explained(
        features=features,
        derived=[name for name in features if name not in known],
        outputs=job.model.outputs,
        base_values=list(job.model.base_values),
        explains=job.model.explains,
        rows=job.rows_done,
        mean_abs=_means(summary.get("mean_abs_shap"), len(features), len(job.model.outputs)),
        interactions=_converted(summary.get("interactions"), Interactions),
        additivity=_converted(summary.get("additivity"), Additivity),
        sample=_joined(found) if found else None,
        note="" if job.ended else f"Only a part: {job.rows_done:,} of {job.rows or 0:,} rows are done.",
    )


def _means(found: Any, features: int, outputs: int) -> list[list[float]] | None:
    """(features, outputs); a summary is a child's word, and None what does not fit its job."""
    means: list[float | list[float]] | None = _converted(found, list[float | list[float]])
    rows = [mean if isinstance(mean, list) else [mean] for mean in means or []]
    return rows if len(rows) == features and all(len(row) == outputs for row in rows) else None


def _converted(found: Any, kind: Any) -> Any:
    """None for what is none."""
    try:
        return None if found is None else msgspec.convert(found, kind)
    except msgspec.ValidationError:
        return None


def _joined(found: Sequence[SampledRows]) -> Sample:
    return Sample(
        rows=[row for part in found for row in part.rows],
        data=[row for part in found for row in part.data],
        values=_floats([part.values for part in found]),
        predictions=_floats([part.predictions for part in found]),
    )


def _floats(raw: Sequence[bytes]) -> "array[float]":
    numbers = array("d", b"".join(raw))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _document(job: Job, found: Sequence[SampledRows]) -> JobSample:
    of = explained(job, found)
    assert of.sample
    outputs = len(of.outputs)
    data: list[list[Cell]] = of.sample.data
    per_row = _cut(_cut(of.sample.values, outputs), len(of.features))
    return JobSample(
        job_id=job.job_id,
        status=job.state,
        partial=not job.ended,
        total_rows=job.rows or 0,
        explains=of.explains,
        features=of.features,
        outputs=of.outputs,
        base_values=of.base_values,
        rows=of.sample.rows,
        ids=[one for part in found for one in part.ids] or msgspec.UNSET,
        data=data,
        values=per_row,
        predictions=_cut(of.sample.predictions, outputs),
    )


def _cut(flat: Sequence[Any], width: int) -> list[Any]:
    """In pieces of this width; of one output, as it is."""
    if width == 1 and not (flat and isinstance(flat[0], list)):
        return list(flat)
    return [list(flat[start : start + width]) for start in range(0, len(flat), width)]
