"""What goes wrong, as exceptions: each has a `code` for programs, a `detail` that says the way out, and a `status`.

Runs in the caller's process. The service's problems (RFC 9457) become one of these by their HTTP status.
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The base of all. `str()` is `detail`."""

    def __init__(
        self, detail: str, code: str, status: int | None = None, data: Mapping[str, Any] | None = None, job_id: str = ""
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        """Stable, for programs."""
        self.status = status
        """Of HTTP; None where nothing was answered."""
        self.data = dict(data or {})
        """The values that `detail` speaks of, by name."""
        self.job_id = job_id
        """Of the job that this is about, if any."""


class CannotSave(ClientError):
    """A model that this client has no safe format for. Raised before anything is sent."""


class BadTable(ClientError):
    """Rows that cannot be sent, or not without loss. Raised before anything is sent."""


class Unreachable(ClientError):
    """Nobody answers at this address, or not in time."""


class Unavailable(ClientError):
    """The service is there and cannot take work now (500 and above)."""


class TimedOut(ClientError):
    """The time that the caller gave is over; the job goes on, unless it was `explain` that waited."""


class JobFailed(ClientError):
    """The job ended without values; `code` and `detail` are its cause, and the way out."""


class JobCancelled(ClientError):
    """Somebody has cancelled the job."""


class NotInstalled(ClientError):
    """What was asked needs a library that is not installed here."""


class Refused(ClientError):
    """The service does not take this request (400 to 499). Those below are for what programs tell apart."""


class Unauthorized(Refused):
    """No token, a wrong one, or one that may not do this."""


class NotFound(Refused):
    """No such job or model, for this caller."""


class Conflict(Refused):
    """Not in this state, such as a result that is not ready."""


class Expired(Refused):
    """It was there once."""


class TooLarge(Refused):
    """More bytes than the service takes."""


class Unsupported(Refused):
    """A format, or an answer's format, that the service does not know."""


class Unprocessable(Refused):
    """Model and rows do not go together, or an option is wrong."""


class TooManyRequests(Refused):
    """A quota of this caller's is used up."""


_BY_STATUS: dict[int, type[ClientError]] = {
    401: Unauthorized,
    403: Unauthorized,
    404: NotFound,
    406: Unsupported,
    409: Conflict,
    410: Expired,
    413: TooLarge,
    415: Unsupported,
    422: Unprocessable,
    429: TooManyRequests,
}
_SERVER_ERROR = 500


def from_answer(status: int, problem: Mapping[str, Any], url: str) -> ClientError:
    """The exception for an answer that is none; `problem` is empty where the body was no problem document."""
    kind = _BY_STATUS.get(status, Unavailable if status >= _SERVER_ERROR else Refused)
    stranger = f"{url} answered HTTP {status} and no problem document: is it the address of a shap-supervisor?"
    detail = str(problem.get("detail") or problem.get("title") or stranger)
    code = str(problem.get("code") or f"http_{status}")
    return kind(detail, code, status, problem.get("data"), str(problem.get("job_id", "")))


def of_job(job: Mapping[str, Any]) -> ClientError | None:
    """Why a job that has ended has no values; None where it has them."""
    if job["status"] == "finished":
        return None
    job_id, error = str(job["job_id"]), job.get("error") or {}
    if job["status"] == "cancelled":
        return JobCancelled(f"The job {job_id} was cancelled; submit it again.", "cancelled", job_id=job_id)
    return JobFailed(str(error.get("message")), str(error.get("code")), data=error.get("detail"), job_id=job_id)
