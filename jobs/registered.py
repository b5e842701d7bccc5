"""Registered models: uploads with a name, kept until they are deleted. Used by the web process.

A job that names one uses its bytes like an upload of its own and counts as their user, so that deleting or replacing a
model disturbs no job. Does not cover the operator's files, which are no uploads.
"""

import time

import msgspec
import structlog

from jobs import errors, keys
from jobs.callers import OPERATOR, Caller
from jobs.connection import RedisClient
from jobs.formats import ModelFormat
from jobs.records import SHOWN_REASON, Blob, ModelInfo, Time, json_text
from jobs.scripts import source

log = structlog.get_logger()


class RegisteredModel(msgspec.Struct, kw_only=True, frozen=True):
    """A registered model's record. `created_at`: seconds since the epoch."""

    name: str
    format: ModelFormat
    blob: Blob
    created_at: Time


class RegisteredModels:
    """A caller's models, over one Redis client; the operator's are the unnamed caller's."""

    def __init__(self, redis: RedisClient, caller: Caller = OPERATOR) -> None:
        self.caller = caller
        self._redis = redis
        self._register = redis.register_script(source("register"))
        self._unregister = redis.register_script(source("unregister"))

    async def put(self, name: str, blob: Blob, found: ModelFormat) -> tuple[RegisteredModel, bool]:
        """Register an upload that is complete; also whether the name is new.

        Raises StorageUnavailable, TooManyBytes.
        """
        model = RegisteredModel(name=name, format=found, blob=blob, created_at=time.time())
        caller = self.caller
        arguments = ["", name, json_text(model), blob.id, caller.name, caller.most_bytes, blob.size]
        status = await self._register(keys=[self._key], args=arguments)
        if status == b"gone":
            raise errors.StorageUnavailable()
        if status == b"bytes":
            raise errors.TooManyBytes(limit_bytes=caller.most_bytes)
        return model, status == b"created"

    async def get(self, name: str) -> RegisteredModel | None:
        """Raises UnreadableRecord."""
        raw = await self._redis.hget(self._key, name)
        return _read(name, raw) if raw else None

    async def all(self) -> list[RegisteredModel]:
        """By name; those whose records cannot be read are left out, and logged."""
        found = []
        for name, raw in (await self._redis.hgetall(self._key)).items():
            try:
                found.append(_read(name.decode(errors="replace"), raw))
            except errors.UnreadableRecord as problem:
                log.warning("record_unreadable", **problem.detail)
        return sorted(found, key=lambda model: model.name)

    async def delete(self, name: str) -> bool:
        """False when there is no such model."""
        return bool(await self._unregister(keys=[self._key], args=["", name]))

    @property
    def _key(self) -> str:
        return keys.own(keys.MODELS, self.caller.name)

    async def info(self, model: RegisteredModel) -> ModelInfo | None:
        """What the first child that loaded it found out; None before."""
        raw = await self._redis.hget(keys.blob(model.blob.id), "info")
        try:
            return msgspec.json.decode(raw, type=ModelInfo) if raw else None
        except (msgspec.MsgspecError, ValueError):
            return None


def _read(name: str, raw: bytes) -> RegisteredModel:
    """Raises UnreadableRecord."""
    try:
        return msgspec.json.decode(raw, type=RegisteredModel)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise errors.UnreadableRecord(what=f"model {name}", reason=str(error)[:SHOWN_REASON]) from None
