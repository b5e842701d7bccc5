"""The inference protocols of KServe, MLServer and Triton: rows in, SHAP values out, in one request.

    POST /v2/models/{name}/infer     Open Inference Protocol (V2): tensors in, tensors out
    POST /v1/models/{name}:explain   KServe's V1: {"instances": [...]} in, {"explanations": [...]} out

Each is a job like any other. Used in the web process, which hands rows on as the bytes they came in: a child reads
them (see `child.rows.tensors_file`). Does not take tensors in binary. Errors have the member `error` that the
protocols name, beside those of a problem.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import wraps
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api import analyze, failed, json_body, parameters, problems, results
from api.auth import Realm
from api.failed import FailedJob
from api.problems import ProblemDetails, ProblemResponse
from api.resources import Resources, resources
from api.responses import JsonResponse
from api.result_table import Table
from api.result_writers import Writer
from api.routes import Answer, Routes
from api.submission import Submission
from api.tensor_writers import (
    TENSORS,
    Explanations,
    ExplanationsWriter,
    InferResponse,
    TensorWriter,
)
from api.unpacking import by_name
from jobs.errors import InvalidParameter, Problem, StillRunning, UnsupportedMediaType
from jobs.options import Options
from jobs.records import Job
from jobs.states import JobState

WAIT_S = 60.0
"""What the protocols' clients wait by themselves."""
BINARY_HEADER = "inference-header-content-length"
NOT_HERE = frozenset({"dry_run", "reduce", "top_k"})
"""Options after which there are no values of all features, by row."""
FOREIGN = frozenset({"content_type", "headers", "binary_data_output", "priority", "timeout"})
"""Parameters that the protocols' clients send by themselves."""

routes = Routes(Realm.API)


class InferInput(msgspec.Struct, kw_only=True):
    """A tensor: all columns, or one. Its type comes first when it is written: that is what it is known by."""

    datatype: str
    name: str
    shape: list[int]
    data: Annotated[
        msgspec.Raw, msgspec.Meta(description="Flat, or nested.", extra_json_schema={"type": "array", "items": {}})
    ]


class RequestedOutput(msgspec.Struct, kw_only=True):
    """One of base_values, features, outputs, shap_values."""

    name: str


class InferRequest(msgspec.Struct, kw_only=True):
    """Rows as tensors. `parameters` may hold options of a job, such as `explainer`."""

    inputs: list[InferInput]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[RequestedOutput] = []


class ExplainRequest(msgspec.Struct, kw_only=True):
    """Rows as lists or records."""

    instances: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "array", "items": {}})]


class InferenceError(ProblemDetails, kw_only=True):
    """A problem, and its detail once more where the protocols' clients look for it."""

    error: str


class InferenceFailure(FailedJob, kw_only=True):
    """The same of a job that was accepted, and has no result."""

    error: str


FAILED = Answer(
    "What is wrong, and the way out; at the door, as everywhere else.",
    status="default",
    content={
        JsonResponse.media_type: (InferenceError, InferenceFailure),
        ProblemResponse.media_type: ProblemDetails,
    },
)


def in_protocol(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Its problems as the protocols' clients read them."""

    @wraps(endpoint)
    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Problem as problem:
            details = problems.document(problem, InferenceError, error=problem.message)
            response = problems.respond(problem, details=details)
            response.headers["Content-Type"] = JsonResponse.media_type
            return response

    return answered


@routes.post(
    "/v2/models/{name}/infer",
    "inferModel",
    "SHAP values of tensors (Open Inference Protocol, V2)",
    Answer("The values as tensors.", InferResponse, headers=("Location",)),
    FAILED,
    parameters=[parameters.PREFER],
    body={json_body.MEDIA_TYPE: InferRequest},
)
@in_protocol
async def infer(request: Request) -> Response:
    """Waits for its job, a minute or as long as it is asked to: then 504 names it, and where its values will be."""
    if BINARY_HEADER in request.headers:
        supported = "tensors as JSON (tritonclient: binary_data=False)"
        raise UnsupportedMediaType(field="The request body", found="a body of tensors in binary", supported=supported)
    model = request.path_params["name"]
    job_id, request_id, wanted = await _tensors(request, model)
    job = await _ended(request, job_id)
    return await _answer(request, job, lambda table: TensorWriter(table, model, request_id, wanted))


@routes.post(
    "/v1/models/{name}:explain",
    "explainModel",
    "SHAP values of instances (KServe, V1)",
    Answer("The values by instance.", Explanations, headers=("Location",)),
    FAILED,
    parameters=[parameters.PREFER],
    body={json_body.MEDIA_TYPE: ExplainRequest},
)
@in_protocol
async def explain(request: Request) -> Response:
    """The same."""
    job = await _ended(request, await _instances(request, request.path_params["name"]))
    return await _answer(request, job, ExplanationsWriter)


async def _tensors(request: Request, model: str) -> tuple[str, str | None, list[str]]:
    """The job that tensors have become, the request's own id, and the outputs that it wants; nothing of its body."""
    house = resources(request)
    async with Submission(house) as submission, _body(request, house) as body:
        asked = json_body.decode(body, InferRequest)
        wanted = [output.name for output in asked.outputs]
        if unknown := sorted(set(wanted) - set(TENSORS)):
            reason = f"there is no {unknown[0][:100]}; ask for {', '.join(TENSORS)}"
            raise InvalidParameter(field="outputs", reason=reason)
        options = _options(asked.parameters)
        return await _submitted(house, submission, model, options, *_rows(asked.inputs)), asked.id, wanted


async def _instances(request: Request, model: str) -> str:
    """The same of instances."""
    house = resources(request)
    async with Submission(house) as submission, _body(request, house) as body:
        asked = json_body.decode(body, ExplainRequest)
        return await _submitted(house, submission, model, Options(), memoryview(asked.instances))


@asynccontextmanager
async def _body(request: Request, house: Resources) -> AsyncIterator[bytearray]:
    """Whole, when it is its turn, which lasts until nothing of it is needed any more.

    Raises TooLarge, UnsupportedMediaType, Busy, StorageFull.
    """
    unpacker = by_name(request.headers.get("content-encoding", "identity").strip().lower(), "The request body")
    async with analyze.admitted(request, house, json_body.memory_bytes, unpacker) as pieces:
        yield await json_body.whole(request, pieces, house.settings.max_upload_bytes)


def _options(parameters: dict[str, Any]) -> Options:
    """Raises InvalidParameter."""
    known = set(Options.__struct_fields__) - NOT_HERE
    given = {name: value for name, value in parameters.items() if name not in FOREIGN}
    if unknown := sorted(given.keys() - known):
        reason = f"{unknown[0][:100]} is not one that can be given here; these can: {', '.join(sorted(known))}"
        raise InvalidParameter(field="parameters", reason=reason)
    try:
        return msgspec.convert(given, Options)
    except msgspec.ValidationError as error:
        raise InvalidParameter(field="parameters", reason=str(error)) from None


def _rows(inputs: list[InferInput]) -> Iterator[bytes | memoryview]:
    """The document that children read, without a copy of its values."""
    between = b'{"inputs":['
    for tensor in inputs:
        head = {"datatype": tensor.datatype, "name": tensor.name, "shape": tensor.shape}
        yield between + msgspec.json.encode(head).removesuffix(b"}") + b',"data":'
        yield memoryview(tensor.data)
        between = b"},"
    yield b"}]}" if inputs else between + b"]}"


async def _submitted(
    house: Resources, submission: Submission, model: str, options: Options, *rows: bytes | memoryview
) -> str:
    """The job's id. Raises what the submission is refused for."""
    await json_body.feed(submission, "model_id", model.encode())
    await json_body.feed(submission, "options", msgspec.json.encode(options))
    await json_body.feed(submission, "data", *rows)
    return await analyze.submit(house, submission, None)


async def _ended(request: Request, job_id: str) -> Job:
    """As soon as it has. Raises StillRunning."""
    wait_s = parameters.preferred_wait(request) or WAIT_S
    job = await analyze.wait(resources(request), job_id, wait_s)
    if job is None:
        raise StillRunning(job_id=job_id, wait_s=wait_s)
    return job


async def _answer(request: Request, job: Job, write: Callable[[Table], Writer]) -> Response:
    """Raises ResultExpired."""
    headers = {"Location": f"/jobs/{job.job_id}"}
    if job.state is not JobState.FINISHED:
        details = failed.document(job, InferenceFailure, error="")
        details.error = details.detail
        return JsonResponse(details, details.status, headers)
    table = Table.of_job(job, 0, (job.rows or 1) - 1)
    return await results.send(
        resources(request), job, table, write(table), media_type=JsonResponse.media_type, headers=headers
    )
