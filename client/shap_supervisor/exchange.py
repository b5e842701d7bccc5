"""What is said over HTTP, as values without any I/O: requests, answers, pauses, and when a request is tried again.

An operation is a generator that yields requests and pauses and is sent what came of them, so that the same operations
serve `Client` and `AsyncClient`. Does not open connections: see `transport`.
"""

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

from shap_supervisor import errors
from shap_supervisor.multipart import Body

ATTEMPTS = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0
LONGEST_RETRY_AFTER_S = 60.0
RETRIED = frozenset({429, 502, 503, 504})
OK = range(200, 300)


class Sink(Protocol):
    """Takes an answer's bytes as they come."""

    def write(self, piece: bytes, /) -> object: ...


class Whole:
    """Keeps all of a small answer."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, piece: bytes) -> None:
        self.content += piece


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request; `sink` makes what takes the body of a 2xx, anew for each attempt."""

    method: str = "GET"
    path: str
    accept: str = "application/json"
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    sink: Callable[[], Sink] = Whole
    read_timeout_s: float | None = None


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Answer:
    """What was answered. `sink` holds the body: `Whole` for whatever is not 2xx."""

    url: str
    status: int
    headers: Mapping[str, str]
    sink: Any

    @property
    def ok(self) -> bool:
        return self.status in OK

    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            found = json.loads(bytes(self.sink.content))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Lost:
    """No answer, or not all of it."""

    url: str
    reason: str

    def error(self) -> errors.Unreachable:
        way_out = "Start the service with `shap-supervisor up`, or check the address and the network"
        detail, data = f"{self.url} cannot be reached ({self.reason}). {way_out}.", {"reason": self.reason}
        return errors.Unreachable(detail, "unreachable", data=data)


T = TypeVar("T")
Steps = Generator[Request | Pause, Any, T]
"""An operation: yields what to do, is sent an Answer or Lost, returns its result."""


def answered(request: Request) -> Steps[Answer]:
    """The answer, whatever its status. Raises Unreachable where there is none."""
    found: Answer | Lost = yield request
    if isinstance(found, Lost):
        raise found.error()
    return found


def asked(request: Request, *, attempts: int = ATTEMPTS) -> Steps[Answer]:
    """The 2xx answer. Tried again after trouble that may pass: only for requests that are harmless twice.

    Raises ClientError.
    """
    for attempt in range(attempts):
        found: Answer | Lost = yield request
        if isinstance(found, Answer) and found.ok:
            return found
        pause_s = retry_pause(found, attempt) if attempt + 1 < attempts else None
        if pause_s is None:
            break
        yield Pause(pause_s)
    raise error_of(found)


def document(request: Request) -> Steps[dict[str, Any]]:
    """Its JSON object. Raises ClientError."""
    answer = yield from asked(request)
    found = answer.document()
    if not found and answer.sink.content:
        raise errors.from_answer(answer.status, {}, answer.url)
    return found


def error_of(found: Answer | Lost) -> errors.ClientError:
    if isinstance(found, Lost):
        return found.error()
    return errors.from_answer(found.status, found.document(), found.url)


def retry_pause(found: Answer | Lost, attempt: int) -> float | None:
    """Seconds until the next attempt, or None for no more: full jitter, and never before Retry-After."""
    if attempt + 1 == ATTEMPTS or (isinstance(found, Answer) and found.status not in RETRIED):
        return None
    jitter = random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt))  # noqa: S311 - no secret
    least = _retry_after_s(found.headers.get("retry-after", "")) if isinstance(found, Answer) else 0.0
    return least + jitter if least <= LONGEST_RETRY_AFTER_S else None


def _retry_after_s(raw: str) -> float:
    """Seconds, or a date (RFC 9110); 0 for what is neither."""
    if raw.isascii() and raw.isdigit():
        return float(raw)
    try:
        return max(0.0, parsedate_to_datetime(raw).timestamp() - time.time())
    except ValueError:
        return 0.0
