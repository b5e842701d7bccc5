"""What the service can be asked, as operations without any I/O: the one core of `Client` and `AsyncClient`.

Runs in the caller's process; performed by `transport`. One function for each thing that a caller may want.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shap_supervisor import errors, expected, mlflow_models, models, multipart, npy, tables
from shap_supervisor.exchange import Answer, Lost, Pause, Request, Steps, asked, document, error_of
from shap_supervisor.explanation import base_by_row, explanation, top_features

Document = dict[str, Any]
Show = Callable[[Document], None]
NPY = "application/x-npy"
EVENTS_TIMEOUT_S = 30.0
"""The service sends a comment every 15 s."""
PATIENCE_S = 60.0
"""How long the service may be away while a job is waited for."""
PLOT_TYPES = {"vega": "application/json", "svg": "image/svg+xml", "png": "image/png"}
FOLLOW_UPS = ("callback_url", "result_url")
"""Said beside the options: who is told the job's end, and who gets its values."""
INTERRUPTS = (KeyboardInterrupt, asyncio.CancelledError)


@dataclass(frozen=True)
class Submission:
    """All that is sent for one job, converted and checked but not read yet."""

    request: Request
    rows: tables.Rows
    plain: Request | None = None
    """The same for a service that does not read Arrow, where some of it is Arrow."""


def submission(
    model: Any,
    data: Any,
    background: Any,
    *,
    predicted: Any,
    idempotency_key: str | None,
    options: Mapping[str, Any],
) -> Submission:
    """`predicted`: "auto", None, or the caller's own. Raises CannotSave, BadTable, NotInstalled."""
    model, names = mlflow_models.unwrapped(model)
    data, background = mlflow_models.arranged(data, names), mlflow_models.arranged(background, names)
    saved, rows = models.saved(model), tables.rows_of(data)
    parts = [saved.part]
    parts += [multipart.field(name, options[name]) for name in FOLLOW_UPS if options.get(name) is not None]
    if options := {name: value for name, value in options.items() if name not in FOLLOW_UPS}:
        parts.append(multipart.field("options", json.dumps(options)))
    if background is not None:
        parts.append(tables.rows_of(background).part("background", saved))
    if (check := _expected(predicted, model, rows, saved, options)) is not None:
        parts.append(multipart.whole("expected", npy.dumps(check)))
    parts.append(rows.part("data", saved))
    key = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    request = Request(method="POST", path="/analyze", headers=key, body=multipart.body(parts))
    if not any(part.plain for part in parts):
        return Submission(request, rows)
    return Submission(request, rows, replace(request, body=multipart.body([part.plain or part for part in parts])))


def _expected(
    predicted: Any, model: Any, rows: tables.Rows, saved: models.Saved, options: Mapping[str, Any]
) -> npy.Floats | None:
    if isinstance(predicted, str) and predicted == "auto":
        head = rows.head(expected.ROWS, saved) if saved.library else None
        wanted = str(options.get("model_output", "auto"))
        return None if head is None else expected.predictions(model, head, wanted)
    if predicted is None:
        return None
    given = np.asarray(predicted, dtype=np.float64)
    return given.reshape(len(given), -1)


def submit(wanted: Submission) -> Steps[str]:
    """The new job's id."""
    try:
        found = yield from document(wanted.request)
    except errors.Unsupported:
        if wanted.plain is None:
            raise
        found = yield from document(wanted.plain)
    return str(found["job_id"])


def job(job_id: str) -> Steps[Document]:
    return (yield from document(Request(path=f"/jobs/{job_id}")))


def cancel(job_id: str) -> Steps[Document]:
    """Harmless for a job that has ended meanwhile."""
    return (yield from document(Request(method="DELETE", path=f"/jobs/{job_id}")))


def summary(job_id: str) -> Steps[Document]:
    return (yield from document(Request(path=f"/jobs/{job_id}/summary")))


def sample(job_id: str) -> Steps[Document]:
    return (yield from document(Request(path=f"/jobs/{job_id}/sample")))


def report(job_id: str) -> Steps[str]:
    answer = yield from asked(Request(path=f"/jobs/{job_id}/report", accept="text/html"))
    return bytes(answer.sink.content).decode()


def plot(job_id: str, kind: str, form: str, asked_for: Mapping[str, Any]) -> Steps[Any]:
    """Vega-Lite as a dict, SVG as text, PNG as bytes."""
    params = {name: str(value) for name, value in asked_for.items()}
    answer = yield from asked(Request(path=f"/jobs/{job_id}/plots/{kind}", accept=PLOT_TYPES[form], params=params))
    content = bytes(answer.sink.content)
    if form == "png":
        return content
    return content.decode() if form == "svg" else json.loads(content)


def health() -> Steps[Document]:
    return (yield from document(Request(path="/health")))


def register(name: str, model: Any) -> Steps[Document]:
    """Upload a model once, to name it in any number of jobs."""
    model, _ = mlflow_models.unwrapped(model)
    part = models.saved(model).part
    body = multipart.Body("application/octet-stream", part.pieces, part.size)
    return (yield from document(Request(method="PUT", path=f"/models/{name}", body=body)))


def values_request(job_id: str, rows: slice, *, stream: bool) -> Request:
    """The values of these rows, as NPY. Raises ValueError for rows that are not one after the other."""
    params = {"stream": "true"} if stream else {}
    if rows != slice(None):
        if rows.step not in (None, 1) or (rows.start or 0) < 0 or rows.stop is None or rows.stop <= (rows.start or 0):
            raise ValueError("rows must be a slice of rows with an end, from 0, such as slice(0, 100)")
        params["rows"] = f"{rows.start or 0}-{rows.stop - 1}"
    return Request(path=f"/jobs/{job_id}/result", accept=NPY, params=params)


def result(job_id: str, rows: slice, table: tables.Rows | None) -> Steps[Any]:
    """The explanation of these rows; with `top_k` their TopFeatures, and with `reduce` the job's summary.

    Raises Conflict where the job has not ended.
    """
    options = (yield from job(job_id))["options"]
    if options.get("reduce"):
        return (yield from summary(job_id))
    request = values_request(job_id, rows, stream=False)
    answer = yield from asked(Request(path=request.path, accept=NPY, params=request.params, sink=npy.ArraySink))
    values = answer.sink.array()
    about = yield from summary(job_id)
    if options.get("top_k"):
        return top_features(values, options["top_k"], about)
    return _explained(values, options.get("columns") or about["features"], about, rows, table)


def _explained(values: npy.Floats, features: list[str], about: Document, rows: slice, table: tables.Rows | None) -> Any:
    outputs = about["outputs"]
    data = None if table is None else table.data(features, rows)
    has_text = isinstance(data, np.ndarray) and data.dtype.kind == "O"
    return explanation(
        values=values,
        base_values=base_by_row(about["base_values"], len(values)),
        data=data,
        display_data=data if has_text else None,
        feature_names=features,
        output_names=outputs if len(outputs) > 1 else None,
    )


class Events:
    """Takes server-sent events and shows each job's document; `ended` is the last one."""

    def __init__(self, show: Show, deadline: float | None) -> None:
        self._show = show
        self._deadline = deadline
        self._left = b""
        self.ended: Document | None = None
        self.heard = False

    def write(self, piece: bytes) -> None:
        """Raises TimeoutError after the deadline."""
        *events, self._left = (self._left + piece).split(b"\n\n")
        for event in events:
            fields = dict(line.split(b": ", 1) for line in event.split(b"\n") if b": " in line)
            if b"data" in fields:
                self._tell(json.loads(fields[b"data"]), fields.get(b"event") == b"end")
        if self.ended is None and self._deadline is not None and time.monotonic() > self._deadline:
            raise TimeoutError

    def _tell(self, found: Document, is_end: bool) -> None:
        self.heard = True
        self._show(found)
        if is_end:
            self.ended = found


def wait(job_id: str, timeout_s: float | None, show: Show) -> Steps[Document]:
    """The job's document once it has finished. Ctrl-C, or a cancelled task, cancels the job.

    Raises JobFailed, JobCancelled, TimedOut, Unreachable.
    """
    try:
        ended = yield from _ended(job_id, None if timeout_s is None else time.monotonic() + timeout_s, show)
    except INTERRUPTS:
        yield Request(method="DELETE", path=f"/jobs/{job_id}", read_timeout_s=5.0)
        raise
    except TimeoutError:
        way_out = "It goes on: `client.job(id)` gets at it, `.cancel()` ends it."
        detail = f"The job {job_id} has not ended after {timeout_s:g} s. {way_out}"
        raise errors.TimedOut(detail, "timed_out", job_id=job_id) from None
    if error := errors.of_job(ended):
        raise error
    return ended


def _ended(job_id: str, deadline: float | None, show: Show) -> Steps[Document]:
    """However it ended. A stream that breaks off is begun again. Raises TimeoutError."""
    heard_at = time.monotonic()
    while True:
        left = EVENTS_TIMEOUT_S if deadline is None else max(deadline - time.monotonic(), 0.0)
        events = Events(show, deadline)
        read_timeout_s = min(EVENTS_TIMEOUT_S, left + 0.05)
        found: Answer | Lost = yield Request(
            path=f"/jobs/{job_id}/events",
            accept="text/event-stream",
            sink=lambda events=events: events,  # type: ignore[misc]
            read_timeout_s=read_timeout_s,
        )
        if events.ended is not None:
            return events.ended
        now = time.monotonic()
        heard_at = now if events.heard else heard_at
        if deadline is not None and now >= deadline:
            raise TimeoutError
        refused = isinstance(found, Answer) and not found.ok and found.status not in {429, 502, 503, 504}
        if refused or now - heard_at > PATIENCE_S:
            raise error_of(found)
        yield Pause(random.uniform(0.05, 0.5))  # noqa: S311 - no secret
