"""XGBoost's JSON and UBJSON as Python objects, one tree at a time. No XGBoost is needed.

A model of 50 MB is millions of numbers, and as Python objects they take six times of that: of JSON, each tree stays
text until it is asked for, and is forgotten again. UBJSON's numbers become arrays right away. Checks nothing but that
no key comes twice, where another parser might take the other one: see `xgboost_head` and `xgboost_tree`.
"""

import importlib
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from shaptrees.readers import ubjson


def _decode_slowly(text: bytes) -> Any:
    return json.loads(text.decode())


_decode: Callable[[bytes], Any] = _decode_slowly
with suppress(ImportError):  # three times as fast, where it is at hand
    _decode = importlib.import_module("msgspec.json").decode

_UBJSON_LENGTHS = (b"i", b"U", b"I", b"l", b"L")
"""One of these follows an object's brace: the type of its first key's length."""
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_FLAT = rb"\{(?:[^{}" + rb'"]++|' + _STRING + rb")*+\}"
_TREE = re.compile(rb"\{(?:[^{}" + rb'"]++|' + _STRING + rb"|" + _FLAT + rb")*+\}", re.DOTALL)
_TREES = re.compile(rb'"trees"\s*+:\s*+(?=\[)')
_OPEN, _NEXT, _CLOSE = (re.compile(rb"\s*+" + mark + rb"\s*+") for mark in (rb"\[", rb",", rb"\]"))


class JsonTrees(Sequence[dict[str, Any]]):
    """Trees that are decoded when they are asked for. Raises ValueError for one that is not JSON."""

    def __init__(self, content: bytes, places: list[slice]) -> None:
        self._content, self._places = content, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: Any) -> Any:
        text = self._content[self._places[index]]
        if b"\\" in text:
            raise ValueError("an escaped character in a tree")
        try:
            tree = _decode(text)
        except ValueError:
            tree = _decode_slowly(text)  # XGBoost may write NaN, which JSON does not have
        if text.count(b'"') != 2 * _strings(tree):
            raise ValueError("a key twice in one object")
        return tree


def _strings(tree: dict[str, Any]) -> int:
    """How many there are, keys and values, in a tree and in the one object within it."""
    inner = [value for value in tree.values() if isinstance(value, dict)]
    return sum(len(found) + sum(isinstance(value, str) for value in found.values()) for found in (tree, *inner))


def is_ubjson(content: bytes) -> bool:
    """Whether these are no braces of JSON."""
    return content[:1] == b"{" and content[1:2] in _UBJSON_LENGTHS


def parse(content: bytes) -> dict[str, Any]:
    """The learner. Raises ValueError, KeyError, TypeError and RecursionError for what is no model of XGBoost."""
    if is_ubjson(content):
        return _learner(ubjson.decode(content))
    start, stop, places = _find_trees(content)
    if not places:
        return _load(content)
    mark = os.urandom(16).hex()  # no file can hold it; `secrets` would bring `random`, which every fork pays for
    learner = _load(b'%b"%b"%b' % (content[:start], mark.encode(), content[stop:]))
    model = forest(learner)
    if model.get("trees") == mark:
        model["trees"] = JsonTrees(content, places)
    return learner


def forest(learner: dict[str, Any]) -> Any:
    """The part with the trees, within or without dropout around it. Raises KeyError and TypeError."""
    booster = learner["gradient_booster"]
    return (booster["gbtree"] if booster["name"] == "dart" else booster)["model"]


def _find_trees(content: bytes) -> tuple[int, int, list[slice]]:
    """Where the list of trees begins and ends, and each of them; no places where it is no list of objects.

    Quotes within a string are escaped: `"trees"` is always a string of its own.
    """
    found = _TREES.search(content)
    opened = _OPEN.match(content, found.end()) if found else None
    if not found or not opened:
        return 0, 0, []
    position, places = opened.end(), []
    while tree := _TREE.match(content, position):
        places.append(slice(*tree.span()))
        if closed := _CLOSE.match(content, tree.end()):
            return found.end(), closed.end(), places
        after = _NEXT.match(content, tree.end())
        if not after:
            break
        position = after.end()
    return 0, 0, []


def _load(text: bytes) -> dict[str, Any]:
    return _learner(json.loads(text.decode(), object_pairs_hook=_object))


def _learner(document: Any) -> dict[str, Any]:
    """With the version of XGBoost that saved it, `saved_by`; () where the file does not say."""
    version = document.get("version", [])
    # XGBoost's complaint about another version holds the whole document, and making it may end the process
    if not isinstance(version, list) or not all(type(part) is int for part in version) or len(version) not in (0, 3):
        raise TypeError("the version is no list of three integers")
    return {**document["learner"], "saved_by": tuple(version)}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key twice in one object")
    return members
