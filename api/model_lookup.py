"""Which model a `model_id` names: the operator's own files, and registered models. Used in the web process.

Does not load them: only children do, from their supervisor's directory.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

from jobs import heartbeats
from jobs.connection import RedisClient
from jobs.errors import InvalidParameter, UnknownModel
from jobs.records import Input
from jobs.settings import Settings
from jobs.store import Store
from jobs.trusted_models import trusted_models

SHOWN_NAMES = 10
KEPT_S = 1.0
"""No longer than it takes to the next heartbeat; and before a name is refused it is asked for once more."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class OperatorsFiles:
    """The names in TRUSTED_MODEL_DIR, here or where the supervisors are: what these say is kept for KEPT_S.

    `clock` is monotonic, in seconds.
    """

    def __init__(self, settings: Settings, redis: RedisClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._here = settings.trusted_model_dir
        self._redis = redis
        self._clock = clock
        self._there: set[str] = set()
        self._kept_until = float("-inf")

    async def names(self, *, anew: bool = False) -> set[str] | None:
        """None where nobody can tell: no directory here, and no supervisor."""
        if self._here:
            return {name for name in trusted_models(self._here) if _NAME.fullmatch(name)}
        if anew or self._clock() >= self._kept_until:
            snapshots = await heartbeats.snapshots(self._redis)
            if not snapshots:
                return None
            self._there = {name for snapshot in snapshots for name in snapshot.get("trusted_models", ())}
            self._kept_until = self._clock() + KEPT_S
        return self._there


async def resolve(raw: bytes, operators: OperatorsFiles, store: Store) -> Input:
    """An operator's file, a registered model, or the only operator's file of this stem, in this order.

    Raises InvalidParameter and UnknownModel. Where nobody can tell the name is taken for an operator's file.
    """
    model_id = checked_name(raw.decode(errors="replace").strip())
    if model_id in (await operators.names() or ()):
        return Input(trusted_name=model_id)
    if registered := await store.models.get(model_id):
        return Input(blob=registered.blob, registered=model_id)
    known = await operators.names(anew=True)
    if known is None:
        return Input(trusted_name=model_id)
    if found := _match(model_id, known):
        return Input(trusted_name=found)
    names = sorted([*known, *(model.name for model in await store.models.all())])
    raise UnknownModel(model_id=model_id, known=", ".join(names[:SHOWN_NAMES]) or "none")


def checked_name(name: str) -> str:
    """Raises InvalidParameter."""
    if not _NAME.fullmatch(name):
        reason = "it must be 1 to 128 letters, digits, dots, dashes or underscores, a letter or digit first"
        raise InvalidParameter(field="model_id", reason=reason)
    return name


def _match(model_id: str, known: set[str]) -> str | None:
    """The file of this name, or the only one of this stem. Raises InvalidParameter."""
    if model_id in known:
        return model_id
    found = sorted(name for name in known if Path(name).stem == model_id)
    if len(found) > 1:
        raise InvalidParameter(field="model_id", reason=f"it fits more than one file: {', '.join(found)}")
    return found[0] if found else None
