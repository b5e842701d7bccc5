"""SHAP values from a shap-supervisor service: `Client(url).explain(model, X)`. What a notebook installs.

A map of the room: `client` and `async_client` are what callers hold, and `job` what they are given. `operations` says
what is asked, without any I/O; `exchange` how, and when again; `transport` performs it. On the way in, `models`,
`mlflow_models`, `tables` (`arrow`) and `expected` turn what callers have into `multipart` and `npy`; on the way out
there are `explanation`, `progress` and `errors`; `local` starts a service. It imports httpx2 and numpy, narwhals where
there is a frame, and of the service nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shap_supervisor.async_client import AsyncClient
    from shap_supervisor.client import Client
    from shap_supervisor.errors import (
        BadTable,
        CannotSave,
        ClientError,
        JobCancelled,
        JobFailed,
        NotInstalled,
        Refused,
        TimedOut,
        Unavailable,
        Unreachable,
    )
    from shap_supervisor.explanation import Explanation, TopFeatures
    from shap_supervisor.job import AsyncJob, Job

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "BadTable",
    "CannotSave",
    "Client",
    "ClientError",
    "Explanation",
    "Job",
    "JobCancelled",
    "JobFailed",
    "NotInstalled",
    "Refused",
    "TimedOut",
    "TopFeatures",
    "Unavailable",
    "Unreachable",
]
_MODULES = {
    "AsyncClient": "async_client",
    "AsyncJob": "job",
    "Client": "client",
    "Explanation": "explanation",
    "Job": "job",
    "TopFeatures": "explanation",
}
"""Where what is no exception stands. It is imported when it is asked for: the command line needs no NumPy to speak."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__
