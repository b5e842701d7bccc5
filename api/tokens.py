"""Bearer tokens of the web process, and whose each is; sessions, which stand for a token in a browser.

API_TOKEN and the tokens of API_TOKENS open jobs, ADMIN_TOKEN opens everything; a realm without tokens is open (the
settings allow that on loopback only). A session is `<until>.<nonce>.<code>`, where the code is an HMAC under the token:
it tells nothing of the token, every web process knows it without asking anyone, and it ends with its time or its token.
Does not know routes (see `auth`) nor cookies (see `sessions`).
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from enum import StrEnum

import msgspec

from jobs.callers import OPERATOR, Caller, named_tokens
from jobs.errors import Forbidden, Unauthorized
from jobs.settings import Settings

SESSION_S = 12 * 3600
_LONGEST_SESSION = 200
_PURPOSE = b"shap-supervisor session 1"


class Realm(StrEnum):
    """What a route belongs to."""

    API = "API_TOKEN"
    ADMIN = "ADMIN_TOKEN"

    @property
    def tokens(self) -> str:
        """Which of them open it."""
        return "API_TOKEN, one of API_TOKENS, or ADMIN_TOKEN" if self is Realm.API else self.value


class Tokens:
    """Everybody who may come in, by the hashes of their tokens. `clock` is the time of day, in seconds."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
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

    def caller(self, realm: Realm, authorization: str | None, session: str | None = None) -> Caller:
        """Who asks; a session counts where no bearer token was sent.

        Raises Unauthorized without either, Forbidden with a wrong token, or the session of one that opens less.
        """
        if not self._of[realm]:
            return OPERATOR
        sent = _bearer(authorization)
        if sent is not None:
            found = self._owner(realm, _digest(sent))
        elif session is not None and any(self._by_session(other, session) for other in Realm):
            found = self._by_session(realm, session)
        else:
            raise Unauthorized(token=realm.value)
        if found is None:
            raise Forbidden(token=realm.value)
        return found

    def open_session(self, token: str) -> str:
        """A session in the token's place, for SESSION_S. Raises Forbidden where it opens nothing."""
        digest = _digest(token.strip().encode())
        if not any(self._owner(realm, digest) for realm in Realm):
            raise Forbidden(token=Realm.API.tokens)
        claim = f"{self._clock() + SESSION_S:.0f}.{secrets.token_urlsafe(12)}"
        return f"{claim}.{_seal(digest, claim)}"

    def _owner(self, realm: Realm, digest: bytes) -> Caller | None:
        """Every accepted token is compared, in constant time, so that timing tells nothing."""
        return _only([caller for known, caller in self._of[realm] if hmac.compare_digest(digest, known)])

    def _by_session(self, realm: Realm, session: str) -> Caller | None:
        claim, _, code = session.rpartition(".")
        until = claim.partition(".")[0]
        if len(session) > _LONGEST_SESSION or not (
            session.isascii() and until.isdigit() and int(until) > self._clock()
        ):
            return None
        accepted = self._of[realm]
        return _only([caller for known, caller in accepted if hmac.compare_digest(_seal(known, claim), code)])


def _only(found: list[Caller]) -> Caller | None:
    return found[0] if found else None


def _seal(digest: bytes, claim: str) -> str:
    return hmac.digest(digest, _PURPOSE + claim.encode(), "sha256").hex()


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def _bearer(authorization: str | None) -> bytes | None:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    # Starlette decodes headers as Latin-1: this gives the bytes that were sent.
    return token.encode("latin-1") if scheme.lower() == "bearer" and token else None
