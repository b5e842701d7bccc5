"""Values from paths, queries and headers, checked before anything is done with them. Used in the web process.

Does not read bodies: see `multipart_body` and `json_body`.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from starlette.requests import Request

from jobs import callers
from jobs.callers import Caller
from jobs.errors import InvalidParameter, UnknownJob

MAX_WAIT_S = 60.0
MAX_KEY_CHARS = 255
MAX_DIGITS = 18
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROWS = re.compile(r"(\d{1,12})-(\d{1,12})", re.ASCII)
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A value in the query or a header."""

    name: str
    description: str
    where: str = "query"

    @property
    def schema_type(self) -> Any:
        """One that msgspec knows."""
        return str


@dataclass(frozen=True, kw_only=True)
class WholeNumber(Parameter):
    """A number in the query."""

    default: int
    least: int
    most: int

    @property
    def schema_type(self) -> Any:
        return Annotated[int, msgspec.Meta(ge=self.least, le=self.most, extra_json_schema={"default": self.default})]

    def read(self, request: Request) -> int:
        """Raises InvalidParameter."""
        raw = request.query_params.get(self.name)
        if raw is None:
            return self.default
        digits = raw.isascii() and raw.isdigit() and len(raw) <= len(str(self.most))
        if not digits or not self.least <= int(raw) <= self.most:
            raise InvalidParameter(
                field=self.name, reason=f"it must be a whole number from {self.least} to {self.most}"
            )
        return int(raw)


@dataclass(frozen=True, kw_only=True)
class MaybeNumber(Parameter):
    """A number in the query that may be left out."""

    most: int

    @property
    def schema_type(self) -> Any:
        return Annotated[int, msgspec.Meta(ge=0, le=self.most)]

    def read(self, request: Request) -> int | None:
        """Raises InvalidParameter."""
        if self.name not in request.query_params:
            return None
        bounded = WholeNumber(name=self.name, description=self.description, default=0, least=0, most=self.most)
        return bounded.read(request)


@dataclass(frozen=True, kw_only=True)
class Flag(Parameter):
    """`true` or `1`, `false` or `0` in the query, by default false."""

    @property
    def schema_type(self) -> Any:
        return bool

    def read(self, request: Request) -> bool:
        """Raises InvalidParameter."""
        raw = request.query_params.get(self.name, "false").lower()
        if raw not in _FLAGS:
            raise InvalidParameter(field=self.name, reason="it must be true or false")
        return _FLAGS[raw]


ROWS = Parameter(name="rows", description="First and last row, from 0 and inclusive, e.g. 0-99; by default all.")
PREFER = Parameter(
    name="Prefer",
    where="header",
    description=f"`wait=N`: answer with the result if it is ready within N seconds, at most {MAX_WAIT_S:.0f}.",
)
CALLER = Parameter(name="caller", description="With ADMIN_TOKEN: on this caller's behalf. Others have only their own.")
IDEMPOTENCY_KEY = Parameter(name="Idempotency-Key", where="header", description="Makes sending twice harmless.")


def job_id(request: Request) -> str:
    """From the path. Raises UnknownJob for what can be no job's id: nothing else may become part of a key."""
    found: str = request.path_params["job_id"]
    if not _JOB_ID.fullmatch(found):
        raise UnknownJob(job_id=found)
    return found


def on_behalf(request: Request, caller: Caller) -> Caller:
    """Who it is for: whoever sees all may name another. Raises InvalidParameter."""
    name = request.query_params.get(CALLER.name)
    if name is None or name == caller.name:
        return caller
    if not caller.sees_all:
        raise InvalidParameter(field=CALLER.name, reason="only ADMIN_TOKEN may name another caller")
    if not callers.is_name(name):
        raise InvalidParameter(field=CALLER.name, reason=f"it must be {callers.NAME_RULE}")
    return Caller(name=name)


def row_range(request: Request, rows: int) -> tuple[int, int]:
    """`rows=a-b`: first and last row, from 0 and inclusive, by default all. Raises InvalidParameter."""
    raw = request.query_params.get("rows")
    if raw is None:
        return 0, rows - 1
    found = _ROWS.fullmatch(raw)
    if not found:
        raise InvalidParameter(field="rows", reason="it must be two row numbers, like rows=0-99 (from 0, inclusive)")
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise InvalidParameter(field="rows", reason="the first row comes after the last")
    if first >= rows:
        raise InvalidParameter(field="rows", reason=f"the job has {rows} rows, 0 to {rows - 1}")
    return first, min(last, rows - 1)


def preferred_wait(request: Request) -> float:
    """Seconds from `Prefer: wait=N` (RFC 7240), at most MAX_WAIT_S; 0 without. What cannot be read is ignored."""
    found = _WAIT.search(", ".join(request.headers.getlist("prefer")))
    return min(float(found[1]), MAX_WAIT_S) if found else 0.0


def idempotency_key(request: Request) -> str | None:
    """Raises InvalidParameter."""
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isprintable()):
        reason = f"it must be 1 to {MAX_KEY_CHARS} printable characters"
        raise InvalidParameter(field="Idempotency-Key", reason=reason)
    return key


def content_length(request: Request) -> int:
    """What the client says that it sends; 0 where it does not say."""
    raw = request.headers.get("content-length", "")
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) <= MAX_DIGITS else 0
