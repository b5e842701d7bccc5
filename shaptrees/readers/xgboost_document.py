"""XGBoost's JSON and UBJSON as Python objects, one tree at a time. Used in templates, without XGBoost.

A model of 50 MB is millions of numbers, and as Python objects they take six times of that: of JSON, each tree stays
text until it is asked for, and is forgotten again. UBJSON's numbers become arrays right away. Checks nothing but that
no key comes twice, where another parser might take the other one: see `xgboost_head`.
"""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from jobs.formats import ModelFormat
from shaptrees.readers import ubjson

UNSET = msgspec.UNSET
_CONSTANTS = (b"NaN", b"Infinity")
"""What XGBoost may write for a number and JSON does not have."""


class _Model(msgspec.Struct):
    trees: list[msgspec.Raw] | msgspec.UnsetType = UNSET
    gbtree_model_param: Any = UNSET
    tree_info: Any = UNSET
    iteration_indptr: Any = UNSET
    weight_drop: Any = UNSET
    cats: Any = UNSET
    weights: Any = UNSET


class _Booster(msgspec.Struct):
    name: Any = UNSET
    model: _Model | msgspec.UnsetType = UNSET
    gbtree: "_Booster | msgspec.UnsetType" = UNSET
    weight_drop: Any = UNSET


class _Learner(msgspec.Struct):
    gradient_booster: _Booster | msgspec.UnsetType = UNSET
    learner_model_param: Any = UNSET
    objective: Any = UNSET
    attributes: Any = UNSET
    feature_names: Any = UNSET
    feature_types: Any = UNSET


class _Document(msgspec.Struct):
    learner: _Learner | msgspec.UnsetType = UNSET


_decoder = msgspec.json.Decoder(_Document)
_tree_decoder = msgspec.json.Decoder(dict[str, Any])


class JsonTrees(Sequence[dict[str, Any]]):
    """Trees that are decoded when they are asked for. Raises ValueError for one that is not JSON."""

    def __init__(self, texts: list[msgspec.Raw]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: Any) -> Any:
        text = self._texts[index]
        tree = _tree_decoder.decode(text)
        raw = memoryview(text).tobytes()
        if any(raw.count(b'"%b"' % name.encode()) > 1 for name in tree):
            raise ValueError("a key twice in one object")
        return tree


def parse(raw: bytes, found: ModelFormat, *, whole: bool = False) -> dict[str, Any]:
    """The learner; `whole` looks for repeated keys everywhere, at the price of memory, for XGBoost will read it too.

    Raises ValueError, KeyError, TypeError and RecursionError for what is no model of XGBoost.
    """
    if found is ModelFormat.XGBOOST_UBJ:
        return dict(ubjson.decode(raw)["learner"])
    try:
        if not whole:
            return dict(_members(_decoder.decode(raw))["learner"])
    except msgspec.DecodeError as error:
        if isinstance(error, msgspec.ValidationError) or not any(word in raw for word in _CONSTANTS):
            raise
    return dict(json.loads(raw, object_pairs_hook=_object)["learner"])


def _members(struct: msgspec.Struct) -> dict[str, Any]:
    """The members that the file has, as UBJSON gives them."""
    members = {}
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if value is not UNSET:
            nested = _members(value) if isinstance(value, msgspec.Struct) else value
            members[name] = JsonTrees(value) if name == "trees" else nested
    return members


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key twice in one object")
    return members
