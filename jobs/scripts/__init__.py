"""Loads the Lua scripts, one atomic operation a file; `prelude.lua` holds the steps that they share.

All of them name keys that are derived from a job's id, so they need one Redis node, not a cluster.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from jobs import histograms, keys
from jobs.protocol import PIECE_BYTES
from jobs.states import CHUNK_TRANSITIONS, JOB_TRANSITIONS


@cache
def bare(name: str) -> str:
    """The text of a script that is not about a job and takes no prelude."""
    return _text(name)


@cache
def source(name: str) -> str:
    """The text of one script: its shebang, the tables and constants of Python, the prelude, then its body."""
    shebang, body = _text(name).split("\n", 1)
    tables = [_table("JOB_NEXT", JOB_TRANSITIONS), _table("CHUNK_NEXT", CHUNK_TRANSITIONS), _bounds()]
    constants = [
        f"local PIECE_BYTES = {PIECE_BYTES}",
        f"local BLOB_PREFIX, SUPERVISOR_PREFIX = '{keys.BLOB_PREFIX}', '{keys.SUPERVISOR_PREFIX}'",
        f"local JOB_PREFIX, CALLER_PREFIX = '{keys.JOB_PREFIX}', '{keys.CALLER_PREFIX}'",
        f"local TURNS, CALLERS, HISTOGRAMS = '{keys.TURNS}', '{keys.CALLERS}', '{keys.HISTOGRAMS}'",
        f"local ENDED_CHANNEL, FOLLOW_UPS = '{keys.ENDED_CHANNEL}', '{keys.FOLLOW_UPS}'",
    ]
    return "\n".join([shebang, *tables, *constants, _text("prelude"), body])


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _table(name: str, transitions: Mapping[Any, frozenset[StrEnum]]) -> str:
    rows = (
        f"{before} = {{{', '.join(f'{after} = true' for after in sorted(allowed))}}}"
        for before, allowed in transitions.items()
    )
    return f"local {name} = {{{', '.join(rows)}}}"


def _bounds() -> str:
    """As text, so that Lua names a bucket exactly as Python does."""
    rows = (
        f"{name} = {{{', '.join(repr(histograms.named(bound)) for bound in bounds)}}}"
        for name, bounds in histograms.BOUNDS.items()
    )
    return f"local BOUNDS = {{{', '.join(rows)}}}"
