"""Boosters of XGBoost, LightGBM and CatBoost within a skops file, as the last step of a pipeline for example.

Used in templates. Their own way to be rebuilt hands bytes of the file to native code at once. So skops is shown plain
bytes or text in the place of each, which are then read as files of their own are: checked by our readers first.
CatBoost's are read by CatBoost alone, like its files.
"""

import io
import json
import zipfile
from typing import Any, NamedTuple

from sklearn.pipeline import Pipeline

from child.models import sklearn_parts
from jobs.errors import UnreadableModel
from shaptrees.readers import ubjson

SCHEMA = "schema.json"
_KEPT = ("__id__", "protocol", "_skops_version")
"""Of a node: what others refer to it by, and what the outermost one says of the file."""
Node = dict[str, Any]


class _Kind(NamedTuple):
    """Where a booster's own file stands in its node: the names on the way, and the loader of what is there."""

    way: tuple[str, ...]
    loader: str


_KINDS = {
    "xgboost.core.Booster": _Kind(("handle",), "BytearrayNode"),
    "lightgbm.basic.Booster": _Kind(("_handle",), "JsonNode"),
    **{
        f"catboost.core.{name}": _Kind(("__model",), "BytesNode")
        for name in ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
    },
}


def unpacked(raw: bytes) -> bytes:
    """The same file with bytes and text where boosters were. Raises UnreadableModel for a booster without any."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        boosters = [node for node in nodes(schema) if _name(node) in _KINDS]
        if not boosters:
            return raw
        files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    for node in boosters:
        _replace(node, files)
    files[SCHEMA] = json.dumps(schema).encode()
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as changed:
        for name, content in files.items():
            changed.writestr(name, content)
    return into.getvalue()


def restore(estimator: Any) -> Any:
    """The estimator with boosters where their bytes were. Raises UnreadableModel, MissingExtra and UnsupportedModel."""
    if isinstance(estimator, bytes):
        return _catboost(estimator)
    for part in list(sklearn_parts.parts(estimator)):
        read = _READ.get(type(part).__module__.partition(".")[0])
        if read and vars(part).get("_Booster") is not None:  # else it is the unfitted one that another was cloned from
            part._Booster = read(part._Booster, part)
        elif isinstance(part, Pipeline) and isinstance(part.steps[-1][1], bytes):
            part.steps[-1] = (part.steps[-1][0], _catboost(part.steps[-1][1]))
    return estimator


def nodes(schema: Any) -> list[Node]:
    """Everything that skops would rebuild, however deep."""
    waiting, found = [schema], []
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, dict):
            if isinstance(thing.get("__loader__"), str):
                found.append(thing)
            waiting += thing.values()
        elif isinstance(thing, list):
            waiting += thing
    return found


def _name(node: Node) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _replace(node: Node, files: dict[str, bytes]) -> None:
    """Its own file in the place of the whole booster; of XGBoost's two documents the model alone."""
    kind, name = _KINDS[_name(node)], _name(node)
    inner = node.get("content")
    for member in ("content", *kind.way):
        inner = inner.get(member) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or inner.get("__loader__") != kind.loader:
        raise UnreadableModel(format="skops", reason=f"a {name} without its model")
    file = str(inner.get("file"))
    if name.startswith("xgboost"):
        try:
            files[file] = ubjson.member(files[file], "Model")
        except (KeyError, ValueError) as error:
            raise UnreadableModel(format="skops", reason=f"its XGBoost model: {error}") from None
    kept = {key: node[key] for key in _KEPT if key in node}
    node.clear()
    node.update(inner, **kept)


def _xgboost(raw: Any, part: Any) -> Any:  # noqa: ARG001
    from child.models import xgboost_model

    if not isinstance(raw, bytearray):
        raise UnreadableModel(format="skops", reason="a booster of XGBoost that is none")
    return xgboost_model.booster(bytes(raw))


def _lightgbm(text: Any, part: Any) -> Any:
    from child.models import lightgbm_model

    if not isinstance(text, str):
        raise UnreadableModel(format="skops", reason="a booster of LightGBM that is none")
    found = lightgbm_model.booster(text.encode())
    best = vars(part).get("_best_iteration")
    found.best_iteration = best if isinstance(best, int) and best > 0 else -1
    return found


def _catboost(raw: bytes) -> Any:
    from child.models import catboost_model

    return catboost_model.estimator(raw)


_READ = {"xgboost": _xgboost, "lightgbm": _lightgbm}
