"""The web app, as the command line sees it: what `shap_supervisor` sends, with answers as documents and files.

Runs in the command's own process: errors become failures with exit codes, and nothing is tried twice behind its back.
Does not wait for jobs: see `polling`.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx2

from cli.failures import JobFailed, Refused, Unreachable
from shap_supervisor import errors, exchange, multipart
from shap_supervisor.exchange import Answer, Request
from shap_supervisor.models import of_file
from shap_supervisor.transport import Transport

ANSWER_TIMEOUT_S = 120.0

Document = dict[str, Any]


class Sink(Protocol):
    """Takes bytes: a file, or what stands before one."""

    def write(self, data: bytes, /) -> int: ...


class _Counted:
    """How much a sink was given."""

    def __init__(self, sink: Sink) -> None:
        self.size = 0
        self._sink = sink

    def write(self, piece: bytes) -> None:
        self.size += self._sink.write(piece)


class Client:
    """`with Client(url, token) as client: ...`; `transport` is for tests."""

    def __init__(self, url: str, token: str | None = None, transport: httpx2.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._transport = Transport(self.url, token, ANSWER_TIMEOUT_S, transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._transport.close()

    def submit(
        self, files: Mapping[str, Path], options: Document, *, model_id: str | None = None, wait_s: int | None = None
    ) -> Document:
        """The answer to the upload: a new job's id, or its result where `wait_s` was given and was enough.

        Raises JobFailed where the job has ended without one by then, Refused, Unreachable.
        """
        parts = [multipart.field("options", json.dumps(options))] if options else []
        parts += [multipart.field("model_id", model_id)] if model_id else []
        parts += [of_file(name, path) for name, path in files.items()]
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        return self._document(Request(method="POST", path="/analyze", headers=headers, body=multipart.body(parts)))

    def job(self, job_id: str) -> Document:
        return self._document(Request(path=f"/jobs/{job_id}"))

    def summary(self, job_id: str) -> Document:
        return self._document(Request(path=f"/jobs/{job_id}/summary"))

    def cancel(self, job_id: str) -> Document:
        return self._document(Request(method="DELETE", path=f"/jobs/{job_id}"))

    def health(self) -> Document:
        """The whole picture; a service that is not well answers 503 with the same document."""
        found = self._answer(Request(path="/health"))
        return found.document() or {"status": "fail", "output": f"HTTP {found.status}"}

    def ready(self) -> Document:
        """What is missing before the service can take work; it answers 503 with the same document."""
        found = self._answer(Request(path="/readyz"))
        return found.document() or {"status": "fail", "missing": [f"/readyz answered {found.status}"]}

    def memory(self) -> Document:
        """Every process and its memory; needs the admin token."""
        return self._document(Request(path="/admin/memory"))

    def download(self, job_id: str, sink: Sink, *, accept: str, rows: str | None = None) -> int:
        """Write the result into `sink` piece by piece; returns its size in bytes."""
        counted, params = _Counted(sink), {"rows": rows} if rows else {}
        self._good(Request(path=f"/jobs/{job_id}/result", accept=accept, params=params, sink=lambda: counted))
        return counted.size

    def file(self, path: str, *, accept: str, asked: Mapping[str, str]) -> bytes:
        """A small file: a picture, or a report."""
        return bytes(self._good(Request(path=path, accept=accept, params=asked)).sink.content)

    def _document(self, request: Request) -> Document:
        found = self._good(request).document()
        if not found:
            raise Unreachable(f"{self.url}{request.path} did not answer with JSON: is it shap-supervisor's address?")
        return found

    def _good(self, request: Request) -> Answer:
        with self._failing():
            return self._transport.run(exchange.asked(request, attempts=1))

    def _answer(self, request: Request) -> Answer:
        """Whatever its status is."""
        with self._failing():
            return self._transport.run(exchange.answered(request))

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """What went wrong, as how the command ends."""
        try:
            yield
        except errors.Unreachable as error:
            raise Unreachable(
                f"Cannot reach {self.url} ({error.data['reason']}). Start the service with `shap-supervisor up`, or "
                "name its address with --url."
            ) from None
        except errors.ClientError as error:
            raise _failure(error) from None


def _failure(error: errors.ClientError) -> Exception:
    """A problem with a job's id is that job's end; an answer that is no problem is not."""
    status = error.status or 0
    if error.code == "no_result" or (error.job_id and error.code != f"http_{status}"):
        return JobFailed(error.detail, error.code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return Unreachable(error.detail, error.code)
    return Refused(error.detail, error.code)
