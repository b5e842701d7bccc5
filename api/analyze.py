"""POST /analyze: takes a submission as it streams in, puts its job on the queue, and waits for it where asked to.

Used in the web process. Does not read bodies itself: see `multipart_body` and `json_body`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response

from api import failed, fetching, json_body, model_lookup, multipart_body, parameters, results
from api.auth import Realm
from api.failed import FailedJob
from api.parameters import Flag
from api.problems import ProblemDetails, ProblemResponse
from api.representation import StateOfJob
from api.resources import Resources, logged, resources
from api.responses import JsonResponse
from api.result_writers import Result
from api.routes import Answer, Routes
from api.submission import FOLLOW_UPS, Submission, read_options
from api.summaries import JobForecast, JobSummary
from api.unpacking import Unpacker, by_name, unpacked
from jobs.connection import UNAVAILABLE, OutOfMemoryError
from jobs.errors import ForbiddenUrl, Problem, StorageUnavailable, UnsupportedMediaType
from jobs.options import Options
from jobs.records import FollowUp, Input, Job
from jobs.states import JobState
from jobs.store import ModelReplaced

READERS = {multipart_body.MEDIA_TYPE: multipart_body, json_body.MEDIA_TYPE: json_body}
SUPPORTED = ", ".join(READERS)
DRY_RUN_WAIT_S = 60.0
"""A dry run answers at once, so the caller waits for it without asking to."""
DRY_RUN = Flag(name="dry_run", description="Compute nothing, and answer what it would take.")
LOOKUPS = 5
"""Of a model that is replaced while it is named."""
SMALL_BYTES = 256 * 1024
"""Smaller bodies are let in without a look at their caller's quota: it is kept when their job is written. Those with an
Idempotency-Key, too, which may be no new job."""
routes = Routes(Realm.API)
log = structlog.get_logger()


@routes.post(
    "/analyze",
    "analyze",
    "Submit rows and a model",
    Answer(
        "Finished in time: the values, the forecast of a dry run, or the summary where `reduce` keeps no rows.",
        content=results.VALUES | {JsonResponse.media_type: (Result, JobForecast, JobSummary)},
        headers=("Location", "Preference-Applied"),
    ),
    Answer("Accepted; Location names the job.", StateOfJob, status=202, headers=("Location", "Retry-After")),
    Answer(
        "What is wrong, and the way out; with `job_id`, of a job that was waited for and has no result.",
        status="default",
        content={ProblemResponse.media_type: (ProblemDetails, FailedJob)},
    ),
    parameters=[DRY_RUN, parameters.CALLER, parameters.PREFER, parameters.IDEMPOTENCY_KEY],
    body={multipart_body.MEDIA_TYPE: multipart_body.Form, json_body.MEDIA_TYPE: json_body.JsonSubmission},
    link="submit",
)
async def analyze(request: Request) -> Response:
    """202 with the job; when the caller waits and it ends in time, 200 with its result, or what stands against it."""
    house = resources(request)
    dry_run = DRY_RUN.read(request)
    wait_s = parameters.preferred_wait(request) or (DRY_RUN_WAIT_S if dry_run else 0.0)
    media_type = results.negotiate(request) if wait_s else ""
    key = parameters.idempotency_key(request)
    async with Submission(house) as submission:
        await _read(request, house, submission)
        job_id = await submit(house, submission, key, dry_run=dry_run)
    job = await wait(house, job_id, wait_s)
    if job is None:
        return await _accepted(house, job_id, replayable=key is not None)
    return await _ended(request, job, media_type, wait_s)


async def _read(request: Request, house: Resources, submission: Submission) -> None:
    """Refuses what can be refused before the first byte of the body."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    unpacker = by_name(encoding, "The request body")
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    reader = READERS.get(content_type)
    if reader is None:
        found = content_type or "a body without Content-Type"
        raise UnsupportedMediaType(field="The request body", found=found, supported=SUPPORTED)
    multipart_body.check_size(parameters.content_length(request), house.settings.max_upload_bytes)
    async with admitted(request, house, reader.memory_bytes, unpacker) as body:
        await reader.read(request, body, submission, house.settings.max_upload_bytes)
    submission.check_complete()
    _check_follow_up(house, submission)
    await fetching.fetch(house, submission)


def _check_follow_up(house: Resources, submission: Submission) -> None:
    """Raises ForbiddenUrl, before anything is accepted."""
    for field in FOLLOW_UPS:
        if (url := submission.text(field)) is not None:
            house.outgoing.destinations.check(url, field)
    if submission.text("callback_url") is not None and house.settings.callback_secret is None:
        reason = "callbacks are signed, and this service has nothing to sign with; its operator sets CALLBACK_SECRET"
        raise ForbiddenUrl(field="callback_url", reason=reason)


def _follow_up(submission: Submission) -> FollowUp:
    return FollowUp(**{field: submission.text(field) for field in FOLLOW_UPS})


@asynccontextmanager
async def admitted(
    request: Request, house: Resources, memory_bytes: Callable[[int], int], unpacker: Unpacker
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body, unpacked, when it is its turn; `memory_bytes` of an announced length is what reading it takes here.

    Raises TooManyJobs, TooManyBytes, StorageFull, Busy; and what it is refused for while it is read.
    """
    announced = parameters.content_length(request)
    if not 0 < announced < SMALL_BYTES and parameters.idempotency_key(request) is None:
        await house.store.check_quota(announced)
    takes = memory_bytes(0 if unpacker.packed else announced)
    async with house.admission.admit(request, memory_bytes=takes) as body:
        yield unpacked(body, unpacker, house.admission.check_store)


async def _inputs(house: Resources, submission: Submission) -> dict[str, Input]:
    """What was uploaded, and the model that was named instead. Raises UnknownModel."""
    inputs = submission.inputs()
    model_id = submission.field("model_id")
    if model_id is not None:
        inputs["model"] = await model_lookup.resolve(model_id, house.operators, house.store)
    return inputs


async def submit(house: Resources, submission: Submission, key: str | None, *, dry_run: bool = False) -> str:
    """The id of the job that it has become. Raises what the store refuses, UnknownModel, InvalidOptions."""
    options, inputs = read_options(submission.field("options")), await _inputs(house, submission)
    options = msgspec.structs.replace(options, dry_run=dry_run or options.dry_run)
    # From here on the uploads may be a job's, even if the reply gets lost; then they expire by themselves.
    submission.handed_over = True
    try:
        job_id = await _stored(house, submission, inputs, options, key)
    except OutOfMemoryError:
        await submission.discard()
        raise
    size = sum(part.blob.size for part in inputs.values() if part.blob)
    log.info("job_submitted", job_id=job_id, bytes=size, **logged(house.store.caller))
    return job_id


async def _stored(
    house: Resources, submission: Submission, inputs: dict[str, Input], options: Options, key: str | None
) -> str:
    """With the model that has the name now: another may have taken its place since it was looked up."""
    for _ in range(LOOKUPS):
        try:
            return await house.store.submit(inputs, options, key, _follow_up(submission))
        except ModelReplaced:
            inputs |= await _inputs(house, submission)
    raise StorageUnavailable


async def wait(house: Resources, job_id: str, wait_s: float) -> Job | None:
    """The job if it ends in time. It has been accepted: trouble from here on must not read like a refusal."""
    if not wait_s:
        return None
    try:
        return await house.subscription.wait(house.store, job_id, wait_s)
    except (*UNAVAILABLE, Problem) as error:
        log.warning("wait_abandoned", job_id=job_id, error=str(error))
        return None


async def _accepted(house: Resources, job_id: str, *, replayable: bool) -> Response:
    state = JobState.QUEUED
    if replayable:  # an Idempotency-Key may have found an older job
        try:
            state = (await house.store.job(job_id)).state
        except (*UNAVAILABLE, Problem):
            log.warning("state_unknown", job_id=job_id)
    headers = {"Location": f"/jobs/{job_id}", "Retry-After": "1"}
    return JsonResponse(StateOfJob(job_id=job_id, status=state), 202, headers)


async def _ended(request: Request, job: Job, media_type: str, wait_s: float) -> Response:
    if job.state is not JobState.FINISHED:
        response = failed.respond(job)
    elif job.options.dry_run or job.options.reduce:
        response = JsonResponse({"job_id": job.job_id, "status": job.state, **(job.summary or {})})
    else:
        response = await results.respond(request, job, media_type)
    response.headers["Preference-Applied"] = f"wait={wait_s:.0f}"
    response.headers["Location"] = f"/jobs/{job.job_id}"
    return response
