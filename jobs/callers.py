"""Callers: who holds a token, what it sees, and how much it may have. Used by the web process.

A caller sees, cancels and names its own jobs, registered models and idempotency keys only; those of others are to it as
if they were not there. Whoever holds API_TOKEN is the unnamed caller, whose name is empty: its keys are those of
versions that knew no callers. Does not compare tokens (see `api.auth`) nor count (see `scripts/prelude.lua`).
"""

import re
from collections.abc import Iterator

import msgspec

MAX_NAME_CHARS = 64
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_CHARS}}}")
NAME_RULE = f"1 to {MAX_NAME_CHARS} letters, digits, dashes or underscores"


class Caller(msgspec.Struct, kw_only=True, frozen=True):
    """Who asks. A limit of 0 is none."""

    name: str = ""
    sees_all: bool = False
    """Jobs and models of every caller, under its own name."""
    most_jobs: int = 0
    """That have not ended, at a time."""
    most_bytes: int = 0
    """Of uploads, registered models and results that are kept, at a time."""
    most_requests: int = 0
    """In a minute."""


UNNAMED = Caller()
OPERATOR = Caller(sees_all=True)
"""Who holds ADMIN_TOKEN, or anybody where no token is set: no quota, and what it submits is the unnamed caller's."""


def is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def named_tokens(text: str) -> dict[str, str]:
    """Each caller's token by its name, from API_TOKENS (`alice=...,bob=...`) that has no faults."""
    return {name: token for _, name, token in _entries(text)}


def faults(text: str, others: dict[str, str | None]) -> list[str]:
    """What is wrong with API_TOKENS, by number of the entry: what stands there may be a token in the wrong place.

    `others` are further tokens by their settings' names; none of them may be a caller's as well.
    """
    found: list[str] = []
    names: dict[str, int] = {}
    tokens = {token: name for name, token in others.items() if token}
    for number, name, token in _entries(text):
        where = f"API_TOKENS: entry {number}"
        if not is_name(name):
            found.append(f"{where} has no name before its first `=`: {NAME_RULE}")
        elif name in names:
            found.append(f"{where} has the name of entry {names[name]}")
        if not token:
            found.append(f"{where} has no token behind its first `=`")
        elif token in tokens:
            found.append(f"{where} has the token of {tokens[token]}")
        names.setdefault(name, number)
        tokens.setdefault(token, f"entry {number}")
    return found


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    for number, entry in enumerate(text.split(","), 1):
        name, _, token = entry.partition("=")
        yield number, name.strip(), token.strip()
