"""Bearer tokens of the web process, and whose each is.

API_TOKEN and the tokens of API_TOKENS open jobs, ADMIN_TOKEN opens everything; a realm without tokens is open (the
settings allow that on loopback only). Does not know routes: see `auth`.
"""

import hashlib
import hmac
from enum import StrEnum

import msgspec

from jobs.callers import OPERATOR, Caller, named_tokens
from jobs.errors import Forbidden, Unauthorized
from jobs.settings import Settings


class Realm(StrEnum):
    """What a route belongs to."""

    API = "API_TOKEN"
    ADMIN = "ADMIN_TOKEN"

    @property
    def tokens(self) -> str:
        """Which of them open it."""
        return "API_TOKEN, one of API_TOKENS, or ADMIN_TOKEN" if self is Realm.API else self.value


class Tokens:
    """Everybody who may come in, by the hashes of their tokens."""

    def __init__(self, settings: Settings) -> None:
        limits = Caller(
            most_jobs=settings.caller_waiting_jobs,
            most_bytes=settings.caller_stored_bytes,
            most_requests=settings.caller_requests_per_minute,
        )
        named = named_tokens(settings.api_tokens) if settings.api_tokens else {}
        callers = [(token, msgspec.structs.replace(limits, name=name)) for name, token in named.items()]
        if settings.api_token:
            callers.append((settings.api_token, limits))
        operators = [(settings.admin_token, OPERATOR)] if settings.admin_token else []
        accepted = {Realm.API: operators + callers if callers else [], Realm.ADMIN: operators}
        self._of = {realm: [(_digest(token.encode()), who) for token, who in rows] for realm, rows in accepted.items()}

    def guard(self, realm: Realm) -> bool:
        """Whether the realm asks for a token."""
        return bool(self._of[realm])

    def caller(self, realm: Realm, authorization: str | None) -> Caller:
        """Who asks. Raises Unauthorized without a bearer token, Forbidden with a wrong one."""
        accepted = self._of[realm]
        if not accepted:
            return OPERATOR
        sent = _bearer(authorization)
        if sent is None:
            raise Unauthorized(token=realm.value)
        # Every accepted token is compared, in constant time, so that timing tells nothing.
        digest = _digest(sent)
        found = [caller for known, caller in accepted if hmac.compare_digest(digest, known)]
        if not found:
            raise Forbidden(token=realm.value)
        return found[0]


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _bearer(authorization: str | None) -> bytes | None:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    # Starlette decodes headers as Latin-1: this gives the bytes that were sent.
    return token.encode("latin-1") if scheme.lower() == "bearer" and token else None
