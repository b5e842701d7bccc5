"""Which model a `model_id` names: the operator's own files, and registered models. Used in the web process.

Does not load them: only children do, from their supervisor's directory.
"""

import re
from pathlib import Path

from jobs import heartbeats
from jobs.errors import InvalidParameter, UnknownModel
from jobs.records import Input
from jobs.settings import Settings
from jobs.store import Store
from jobs.trusted_models import trusted_models

SHOWN_NAMES = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


async def resolve(raw: bytes, settings: Settings, store: Store) -> Input:
    """An operator's file, a registered model, or the only operator's file of this stem, in this order.

    Raises InvalidParameter and UnknownModel. Where nobody can tell (no directory here, no supervisor yet) the name is
    taken for an operator's file.
    """
    model_id = checked_name(raw.decode(errors="replace").strip())
    known = await operators_files(settings, store)
    if model_id not in (known or ()):
        registered = await store.models.get(model_id)
        if registered:
            return Input(blob=registered.blob, registered=model_id)
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


async def operators_files(settings: Settings, store: Store) -> set[str] | None:
    """The names in TRUSTED_MODEL_DIR, here or where the supervisors are; None where nobody can tell."""
    return _known_here(settings.trusted_model_dir) if settings.trusted_model_dir else await _known_there(store)


def _known_here(directory: Path) -> set[str]:
    return {name for name in trusted_models(directory) if _NAME.fullmatch(name)}


async def _known_there(store: Store) -> set[str] | None:
    """What the supervisors say that they have; None without any supervisor."""
    snapshots = await heartbeats.snapshots(store.redis)
    return {name for snapshot in snapshots for name in snapshot.get("trusted_models", ())} if snapshots else None


def _match(model_id: str, known: set[str]) -> str | None:
    """The file of this name, or the only one of this stem. Raises InvalidParameter."""
    if model_id in known:
        return model_id
    found = sorted(name for name in known if Path(name).stem == model_id)
    if len(found) > 1:
        raise InvalidParameter(field="model_id", reason=f"it fits more than one file: {', '.join(found)}")
    return found[0] if found else None
