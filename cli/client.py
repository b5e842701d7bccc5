"""The web app, as the command line sees it: files stream from disk to the service and back, errors become failures.

Runs in the command's own process. Does not wait for jobs: see `polling`.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx2

from cli.failures import JobFailed, Refused, Unreachable

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 120.0
PIECE_BYTES = 256 * 1024

Document = dict[str, Any]


class Sink(Protocol):
    """Takes bytes: a file, or what stands before one."""

    def write(self, data: bytes, /) -> int: ...


class Client:
    """`with Client(url, token) as client: ...`; `transport` is for tests."""

    def __init__(self, url: str, token: str | None = None, transport: httpx2.BaseTransport | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            transport=transport,
            trust_env=not _is_local(self.url),
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def submit(
        self, files: Mapping[str, Path], options: Document, *, model_id: str | None = None, wait_s: int | None = None
    ) -> Document:
        """The answer to the upload: a new job's id, or its result where `wait_s` was given and was enough.

        Raises JobFailed where the job has ended without one by then, Refused, Unreachable.
        """
        fields = {"options": json.dumps(options)} if options else {}
        if model_id:
            fields["model_id"] = model_id
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else {}
        with contextlib.ExitStack() as opened:
            parts = {name: (path.name, opened.enter_context(path.open("rb"))) for name, path in files.items()}
            return self._document("POST", "/analyze", data=fields, files=parts, headers=headers)

    def job(self, job_id: str) -> Document:
        return self._document("GET", f"/jobs/{job_id}")

    def summary(self, job_id: str) -> Document:
        return self._document("GET", f"/jobs/{job_id}/summary")

    def cancel(self, job_id: str) -> Document:
        return self._document("DELETE", f"/jobs/{job_id}")

    def health(self) -> Document:
        """The whole picture; a service that is not well answers 503 with the same document."""
        with self._translating():
            response = self._http.get("/health")
        return _document_of(response) or {"status": "fail", "output": f"HTTP {response.status_code}"}

    def ready(self) -> Document:
        """What is missing before the service can take work; it answers 503 with the same document."""
        with self._translating():
            response = self._http.get("/readyz")
        return _document_of(response) or {"status": "fail", "missing": [f"/readyz answered {response.status_code}"]}

    def memory(self) -> Document:
        """Every process and its memory; needs the admin token."""
        return self._document("GET", "/admin/memory")

    def download(self, job_id: str, sink: Sink, *, accept: str, rows: str | None = None) -> int:
        """Write the result into `sink` piece by piece; returns its size in bytes."""
        params = {"rows": rows} if rows else {}
        size = 0
        with (
            self._translating(),
            self._http.stream("GET", f"/jobs/{job_id}/result", params=params, headers={"Accept": accept}) as response,
        ):
            if response.is_error:
                response.read()
                raise _failure(response)
            for piece in response.iter_bytes(PIECE_BYTES):
                size += sink.write(piece)
        return size

    def file(self, path: str, *, accept: str, asked: Mapping[str, str]) -> bytes:
        """A small file: a picture, or a report."""
        with self._translating():
            response = self._http.get(path, params=asked, headers={"Accept": accept})
        if response.is_error:
            raise _failure(response)
        return response.content

    def _document(self, method: str, path: str, **request: Any) -> Document:
        with self._translating():
            response = self._http.request(method, path, **request)
        if response.is_error:
            raise _failure(response)
        document = _document_of(response)
        if document is None:
            raise Unreachable(f"{self.url}{path} did not answer with JSON: is it shap-supervisor's address?")
        return document

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException:
            raise Unreachable(f"{self.url} does not answer in time.") from None
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise Unreachable(
                f"Cannot reach {self.url} ({error}). Start the service with `shap-supervisor up`, or name its address "
                "with --url."
            ) from None


def _is_local(url: str) -> bool:
    return httpx2.URL(url).host in {"127.0.0.1", "localhost", "::1"}


def _document_of(response: httpx2.Response) -> Document | None:
    try:
        document = response.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _failure(response: httpx2.Response) -> Exception:
    """The failure for a problem document, or for whatever else answered; one with a job's id is that job's end."""
    problem = _document_of(response) or {}
    code = str(problem.get("code", f"http_{response.status_code}"))
    message = str(problem.get("detail") or problem.get("title") or f"The service answered {response.status_code}.")
    if code == "no_result" or {"code", "job_id"} <= problem.keys():
        return JobFailed(message, code)
    is_refused = response.status_code == HTTPStatus.NOT_IMPLEMENTED
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_refused:
        return Unreachable(message, code)
    return Refused(message, code)
