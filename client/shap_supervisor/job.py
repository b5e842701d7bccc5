"""A submitted job, as callers hold it: what it is asked goes to the service each time. Runs in the caller's process.

`Job` blocks, `AsyncJob` is awaited; both have the same names. Does not submit: see `client` and `async_client`.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from shap_supervisor import operations
from shap_supervisor.exchange import Answer, error_of
from shap_supervisor.npy import Floats, RowsDecoder
from shap_supervisor.operations import Document
from shap_supervisor.progress import Bar, bar
from shap_supervisor.tables import Rows
from shap_supervisor.transport import AsyncTransport, Transport

ALL = slice(None)


class Job:
    """One job by its id; with the rows that were sent, where this client has sent them."""

    def __init__(self, transport: Transport, job_id: str, rows: Rows | None = None) -> None:
        self.id = job_id
        self._transport = transport
        self._rows = rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def document(self) -> Document:
        """All that the service says of it."""
        return self._transport.run(operations.job(self.id))

    def status(self) -> str:
        """queued, started, finished, failed or cancelled."""
        return str(self.document()["status"])

    def warnings(self) -> list[Document]:
        """What is odd but no error: {code, message} each."""
        return list(self.document()["warnings"])

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> "Job":
        """Until it has finished; Ctrl-C cancels it. `progress`: a bar, by default where somebody sees it.

        Raises JobFailed, JobCancelled, TimedOut after so many seconds (the job goes on), Unreachable.
        """
        shown = bar(progress)
        try:
            self._transport.run(operations.wait(self.id, timeout, shown or _silent))
        finally:
            _clear(shown)
        return self

    def cancel(self) -> None:
        """Ends it, if it has not ended."""
        self._transport.run(operations.cancel(self.id))

    def result(self, rows: slice = ALL) -> Any:
        """The explanation, a shap.Explanation where shap is installed; `rows=slice(0, 100)` for a part.

        Raises Conflict before the job has finished, Expired, JobFailed.
        """
        return self._transport.run(operations.result(self.id, rows, self._rows))

    def stream(self) -> Iterator[Floats]:
        """The values in blocks of rows, in their order, while later ones are still computed. Raises ClientError."""
        decoder, pieces = RowsDecoder(), self._transport.pieces(operations.values_request(self.id, ALL, stream=True))
        for piece in pieces:
            if (block := _decoded(decoder, piece)) is not None:
                yield block
        decoder.finish()

    def summary(self) -> Document:
        """Mean |SHAP| by feature, base values, additivity."""
        return self._transport.run(operations.summary(self.id))

    def sample(self) -> Document:
        """Some rows with their values, drawn over the whole job."""
        return self._transport.run(operations.sample(self.id))

    def report(self) -> str:
        """The job as one self-contained HTML document."""
        return self._transport.run(operations.report(self.id))

    def plot(self, kind: str, form: str = "vega", **asked: Any) -> Any:
        """A chart: `form` is vega (a dict), svg (text) or png (bytes); for kinds see the service's docs/charts.md."""
        return self._transport.run(operations.plot(self.id, kind, form, asked))


class AsyncJob:
    """As `Job`, awaited."""

    def __init__(self, transport: AsyncTransport, job_id: str, rows: Rows | None = None) -> None:
        self.id = job_id
        self._transport = transport
        self._rows = rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def document(self) -> Document:
        """As `Job.document`."""
        return await self._transport.run(operations.job(self.id))

    async def status(self) -> str:
        """As `Job.status`."""
        return str((await self.document())["status"])

    async def warnings(self) -> list[Document]:
        """As `Job.warnings`."""
        return list((await self.document())["warnings"])

    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> "AsyncJob":  # noqa: ASYNC109 - as `Job.wait` has it
        """As `Job.wait`; a cancelled task cancels the job."""
        shown = bar(progress)
        try:
            await self._transport.run(operations.wait(self.id, timeout, shown or _silent))
        finally:
            _clear(shown)
        return self

    async def cancel(self) -> None:
        """As `Job.cancel`."""
        await self._transport.run(operations.cancel(self.id))

    async def result(self, rows: slice = ALL) -> Any:
        """As `Job.result`."""
        return await self._transport.run(operations.result(self.id, rows, self._rows))

    async def stream(self) -> AsyncIterator[Floats]:
        """As `Job.stream`."""
        decoder, pieces = RowsDecoder(), self._transport.pieces(operations.values_request(self.id, ALL, stream=True))
        async for piece in pieces:
            if (block := _decoded(decoder, piece)) is not None:
                yield block
        decoder.finish()

    async def summary(self) -> Document:
        """As `Job.summary`."""
        return await self._transport.run(operations.summary(self.id))

    async def sample(self) -> Document:
        """As `Job.sample`."""
        return await self._transport.run(operations.sample(self.id))

    async def report(self) -> str:
        """As `Job.report`."""
        return await self._transport.run(operations.report(self.id))

    async def plot(self, kind: str, form: str = "vega", **asked: Any) -> Any:
        """As `Job.plot`."""
        return await self._transport.run(operations.plot(self.id, kind, form, asked))


def _decoded(decoder: RowsDecoder, piece: Answer | bytes) -> Floats | None:
    """Raises what the answer is, where it is a problem."""
    if isinstance(piece, bytes):
        return decoder.feed(piece)
    if not piece.ok:
        raise error_of(piece)
    return None


def _silent(_job: Document) -> None:
    """Where nobody sees a bar."""


def _clear(shown: Bar | None) -> None:
    if shown:
        shown.clear()
