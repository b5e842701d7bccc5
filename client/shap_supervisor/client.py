"""The client that blocks: `Client(url, token).explain(model, X)`. Runs in the caller's process.

What is asked is in `operations`, shared with `async_client`.
"""

import os
from collections.abc import Mapping
from typing import Any

import httpx2

from shap_supervisor import local, operations
from shap_supervisor.errors import TimedOut
from shap_supervisor.job import Job
from shap_supervisor.operations import Document
from shap_supervisor.transport import Transport

TIMEOUT_S = 120.0


class Client:
    """Of the service at `url`. `timeout` is for each answer, in seconds; `transport` is for tests."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._transport = Transport(self.url, token, timeout, transport)
        self._service: Any = None

    @classmethod
    def local(cls, env: Mapping[str, str] | None = None) -> "Client":
        """Of a service of its own on this machine, which stops with `close` or with this process.

        env: settings of the service that go before the environment's, such as {"WORKER_SLOTS": "2"}.
        Raises NotInstalled where shap-supervisor is not installed, Unavailable where it does not start.
        """
        settings = dict(env or {})
        service = local.start(settings)
        client = cls(service.url, settings.get("API_TOKEN", os.environ.get("API_TOKEN")) or None)
        client._service = service
        return client

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections, and stops the service that `local` has started."""
        self._transport.close()
        if self._service is not None:
            local.stop(self._service)
            self._service = None

    def explain(
        self,
        model: Any,
        X: Any,
        background: Any = None,
        *,
        expected: Any = "auto",
        timeout: float | None = None,
        progress: bool | None = None,
        **options: Any,
    ) -> Any:
        """The SHAP values of these rows, a shap.Explanation where shap is installed.

        model: fitted (scikit-learn and pipelines, XGBoost, LightGBM, CatBoost), a path, bytes, MLflow's
        ("models:/churn/3", or a pyfunc), or a registered name; a string names a file where there is one. X, background:
        rows, as a data frame, array, sparse matrix, list or path. expected: the model's own predictions of the first
        rows ("auto"), yours, or None for no check. timeout: seconds, after which the job is cancelled. options: the
        service's, such as interactions=True; groups and columns change the columns of the explanation, top_k gives
        TopFeatures, reduce="summary" the summary as a dict.
        Raises ClientError: each has `code`, `detail` and `status`.
        """
        job = self.submit(model, X, background, expected=expected, **options)
        try:
            return job.wait(timeout, progress).result()
        except TimedOut:
            job.cancel()
            raise

    def submit(
        self,
        model: Any,
        X: Any,
        background: Any = None,
        *,
        expected: Any = "auto",
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Job:
        """As `explain`, without waiting."""
        wanted = operations.submission(
            model, X, background, predicted=expected, idempotency_key=idempotency_key, options=options
        )
        return Job(self._transport, self._transport.run(operations.submit(wanted)), wanted.rows)

    def job(self, job_id: str) -> Job:
        """One that was submitted before; its rows are not at hand, so `data` of its explanations is None."""
        return Job(self._transport, job_id)

    def register(self, name: str, model: Any) -> Document:
        """Upload a model once; jobs name it then: `explain("churn", X)`."""
        return self._transport.run(operations.register(name, model))

    def health(self) -> Document:
        """The service's own view of itself."""
        return self._transport.run(operations.health())
