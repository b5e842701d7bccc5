"""The client for an event loop, by the names of `client`. Runs in the caller's process."""

import asyncio
from typing import Any

import httpx2

from shap_supervisor import operations
from shap_supervisor.client import TIMEOUT_S
from shap_supervisor.errors import TimedOut
from shap_supervisor.job import AsyncJob
from shap_supervisor.operations import Document
from shap_supervisor.transport import AsyncTransport


class AsyncClient:
    """As `Client`, awaited: `async with AsyncClient(url) as client: ...`."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._transport = AsyncTransport(self.url, token, timeout, transport)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its connections."""
        await self._transport.close()

    async def explain(
        self,
        model: Any,
        X: Any,
        background: Any = None,
        *,
        expected: Any = "auto",
        timeout: float | None = None,  # noqa: ASYNC109 - as `Client.explain` has it
        progress: bool | None = None,
        **options: Any,
    ) -> Any:
        """As `Client.explain`; a cancelled task cancels the job."""
        job = await self.submit(model, X, background, expected=expected, **options)
        try:
            return await (await job.wait(timeout, progress)).result()
        except TimedOut:
            await job.cancel()
            raise

    async def submit(
        self,
        model: Any,
        X: Any,
        background: Any = None,
        *,
        expected: Any = "auto",
        idempotency_key: str | None = None,
        **options: Any,
    ) -> AsyncJob:
        """As `Client.submit`. The model is saved in a thread."""
        wanted = await asyncio.to_thread(
            operations.submission,
            model,
            X,
            background,
            predicted=expected,
            idempotency_key=idempotency_key,
            options=options,
        )
        return AsyncJob(self._transport, await self._transport.run(operations.submit(wanted)), wanted.rows)

    def job(self, job_id: str) -> AsyncJob:
        """As `Client.job`."""
        return AsyncJob(self._transport, job_id)

    async def register(self, name: str, model: Any) -> Document:
        """As `Client.register`."""
        return await self._transport.run(operations.register(name, model))

    async def health(self) -> Document:
        """As `Client.health`."""
        return await self._transport.run(operations.health())
