"""GET /openapi.json: every route, what it takes and what it answers, as OpenAPI 3.1. Used in the web process.

Written by hand, for people who generate clients; a test holds it against the routes of `app`. Schemas name what callers
rely on; documents may have more members. Does not validate requests.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.responses import JsonResponse
from jobs.formats import DATA_FORMATS, MODEL_FORMATS
from jobs.states import JobState
from jobs.version import VERSION

Schema = dict[str, Any]


async def openapi(_: Request) -> Response:
    return JsonResponse(DOCUMENT)


def _operation(summary: str, *parameters: Schema, realm: str | None = "api", **answers: Schema) -> Schema:
    """Answers are keyword arguments such as `_200`; every route may answer with a problem."""
    responses = {name.lstrip("_"): answer for name, answer in answers.items()} | {"default": PROBLEM}
    operation: Schema = {"summary": summary, "responses": responses}
    if parameters:
        operation["parameters"] = list(parameters)
    operation["security"] = [{realm: []}] if realm else []
    return operation


def _answer(description: str, *media_types: str, schema: Schema | None = None) -> Schema:
    content = {media_type: {"schema": schema or {}} for media_type in media_types or ("application/json",)}
    return {"description": description, "content": content}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": TEXT}


def _object(**members: Schema) -> Schema:
    return {"type": "object", "properties": members}


TEXT, WHOLE, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
JOB_ID = {"name": "job_id", "in": "path", "required": True, "schema": TEXT}
NAME = {"name": "name", "in": "path", "required": True, "schema": TEXT}
PROBLEM = _answer("What is wrong, and the way out (RFC 9457).", "application/problem+json", schema=_ref("Problem"))
VALUES = ("application/json", "text/csv", "application/x-npy")
NUMBERS = {"type": "array", "items": NUMBER}
SUBMISSION = _object(
    data={"type": "string", "format": "binary", "description": DATA_FORMATS},
    model={
        "type": "string",
        "format": "binary",
        "description": MODEL_FORMATS,
    },
    model_id={
        "type": "string",
        "description": "Instead of `model`: the name of a registered or of an operator's model.",
    },
    background={"type": "string", "format": "binary", "description": "Typical rows, where the explainer needs them."},
    options={"type": "string", "description": "A JSON object: explainer, interactions, model_output, batch_size, …"},
)
ANALYZE = _operation(
    "Submit rows and a model",
    _query("dry_run", "`1`: compute nothing, and answer what it would take.", {"type": "boolean"}),
    _header("Idempotency-Key", "Makes sending twice harmless."),
    _header("Prefer", "`wait=N`: answer with the result when it is ready within N seconds."),
    _200=_answer("Ended in time: the values, or how the job ended.", *VALUES, schema=_ref("Result")),
    _202=_answer("Accepted; Location names the job.", schema=_ref("Job")),
) | {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": SUBMISSION}}}}

PATHS: dict[str, Schema] = {
    "/": {"get": _operation("What this is, and where things are", realm=None, _200=_answer("Links."))},
    "/livez": {"get": _operation("The process answers", realm=None, _200=_answer("It does."))},
    "/readyz": {
        "get": _operation(
            "Redis answers and a supervisor takes work",
            realm=None,
            _200=_answer("It can take work."),
            _503=_answer("What is missing.", "application/health+json"),
        )
    },
    "/health": {
        "get": _operation(
            "The whole picture: pass, warn or fail",
            realm=None,
            _200=_answer("Every check.", "application/health+json"),
            _503=_answer("Redis is away.", "application/health+json"),
        )
    },
    "/analyze": {"post": ANALYZE},
    "/jobs": {
        "get": _operation(
            "Jobs, the newest first",
            _query("limit", "How many.", WHOLE),
            _query("offset", "After how many.", WHOLE),
            _200=_answer("Jobs.", schema=_object(jobs={"type": "array", "items": _ref("Job")})),
        )
    },
    "/jobs/{job_id}": {
        "get": _operation("How far a job is", JOB_ID, _200=_answer("The job.", schema=_ref("Job"))),
        "delete": _operation("Cancel", JOB_ID, _200=_answer("Its state now.", schema=_ref("Job"))),
    },
    "/jobs/{job_id}/events": {
        "get": _operation(
            "Progress as server-sent events", JOB_ID, _200=_answer("`progress`, then `end`.", "text/event-stream")
        )
    },
    "/jobs/{job_id}/result": {
        "get": _operation(
            "The values",
            JOB_ID,
            _query("rows", "First and last row, from 0, e.g. 0-99.", TEXT),
            _query("stream", "`true`: begin while later chunks are still running.", {"type": "boolean"}),
            _200=_answer("In the format that Accept names.", *VALUES, schema=_ref("Result")),
        ),
        "delete": _operation("Forget the values of a job that has ended", JOB_ID, _204={"description": "Forgotten."}),
    },
    "/jobs/{job_id}/summary": {
        "get": _operation("Mean |SHAP| of each feature, base values, additivity", JOB_ID, _200=_answer("The summary."))
    },
    "/job_status/{job_id}": {
        "get": _operation(
            "The status, for clients that poll",
            JOB_ID,
            _200=_answer("success, status, result or error.", schema=_object(success={"type": "boolean"}, status=TEXT)),
        )
    },
    "/models": {"get": _operation("Registered models", _200=_answer("Models."))},
    "/models/{name}": {
        "put": _operation(
            "Register a model: the body is its file", NAME, _200=_answer("Replaced."), _201=_answer("Registered.")
        ),
        "get": _operation("Format, hash, size, features", NAME, _200=_answer("The model.")),
        "delete": _operation(
            "Forget a model; jobs keep what they began with", NAME, _204={"description": "Forgotten."}
        ),
    },
    "/admin/memory": {"get": _operation("The memory of every process", realm="admin", _200=_answer("Memory."))},
    "/admin/queue": {"get": _operation("Jobs that wait, leases, supervisors", realm="admin", _200=_answer("Queue."))},
    "/metrics": {"get": _operation("For Prometheus", realm="admin", _200=_answer("Metrics.", "text/plain"))},
    "/openapi.json": {"get": _operation("This document", realm=None, _200=_answer("OpenAPI 3.1."))},
}
SCHEMAS = {
    "Job": _object(
        job_id=TEXT,
        status={"type": "string", "enum": [state.value for state in JobState]},
        rows=WHOLE,
        rows_done=WHOLE,
        chunks=WHOLE,
        chunks_done=WHOLE,
        attempts=WHOLE,
        peak_child_bytes=WHOLE,
        error=_object(code=TEXT, message=TEXT, detail={"type": "object"}),
    ),
    "Result": _object(
        job_id=TEXT,
        features={"type": "array", "items": TEXT},
        outputs={"type": "array", "items": TEXT},
        base_values=NUMBERS,
        shape={"type": "array", "items": WHOLE},
        values={"type": "array", "description": "Nested as `shape` says; NaN is null."},
    ),
    "Problem": _object(type=TEXT, title=TEXT, status=WHOLE, code=TEXT, detail=TEXT, data={"type": "object"}),
}
DOCUMENT: Schema = {
    "openapi": "3.1.0",
    "info": {"title": "shap-supervisor", "version": VERSION, "summary": "SHAP for tabular models as a service."},
    "paths": PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {
            "api": {"type": "http", "scheme": "bearer", "description": "API_TOKEN, where the operator set one"},
            "admin": {"type": "http", "scheme": "bearer", "description": "ADMIN_TOKEN, where the operator set one"},
        },
    },
}
