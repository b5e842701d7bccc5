"""From the request to the report: load, write, read back, ask both, compare. One JSON object in, one out."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

from . import kinds, loading, rows
from .problem import Unconvertible

OWN_CODE = (
    "What is defined outside of libraries, such as functions and classes of your own, has no safe format: take it out "
    "of the model and apply it to the table instead."
)


def main(request_path: str, report_path: str) -> None:
    """Whatever libraries print stays on this process's streams; the report is a file."""
    sys.stdout = sys.stderr
    with open(request_path, encoding="utf-8") as file:
        request = json.load(file)
    try:
        report = convert(request)
    except Unconvertible as error:
        report = {"error": str(error)}
    with open(report_path, "w", encoding="utf-8") as file:
        json.dump(report, file)


def convert(request: dict[str, Any]) -> dict[str, Any]:
    """Writes `into` + its ending; what was done, for people. Raises Unconvertible."""
    notes: list[str] = []
    found = loading.loaded(request["path"], request["format"], notes)
    kind = kinds.kind_of(found, request["ending"])
    ending = request["ending"] or next(iter(kind.endings))
    if ending not in kind.endings:
        others = " or ".join(kind.endings)
        raise Unconvertible(f"models of {kind.name} are written as {others}: OUT ends in {ending}.")
    model = kind.bare(found, notes)
    written = request["into"] + ending
    _write(kind, model, written)
    notes += _notes(kind, model, written)
    again = _read(kind, written)
    compared = _compared(kind, model, again, request.get("data"))
    return {
        "model": _title(found, model),
        "format": kind.endings[ending],
        "ending": ending,
        "written": written,
        "library": _version(kind),
        "notes": notes,
        **compared,
    }


def _write(kind: Any, model: Any, path: str) -> None:
    try:
        kind.write(model, path)
    except Unconvertible:
        raise
    except Exception as error:  # each library has its own
        raise Unconvertible(f"{kind.name} cannot write it ({loading.first_line(error)}). {OWN_CODE}") from None


def _read(kind: Any, path: str) -> Any:
    try:
        return kind.read(path)
    except Exception as error:  # as above
        raise Unconvertible(f"what was written cannot be read back ({loading.first_line(error)}). {OWN_CODE}") from None


def _notes(kind: Any, model: Any, path: str) -> list[str]:
    found = []
    strange = kind.strange(path) if hasattr(kind, "strange") else []
    if strange:
        found.append(
            f"it holds {', '.join(strange[:5])}, which the service does not load from an upload: let the operator "
            "place the file in TRUSTED_MODEL_DIR, or take that step out of the model and apply it to the table instead"
        )
    if kind.features(model) is None:
        found.append("the model has no names of its columns: tables are taken in the order of its training")
    return found


def _compared(kind: Any, model: Any, again: Any, data: Any) -> dict[str, Any]:
    """Raises Unconvertible where neither the user's rows nor drawn ones can be asked."""
    tables = [rows.own(data, model, kind)] if data else rows.drawn(model, kind)
    reason = ""
    for table in tables:
        try:
            before = kind.ask(model, table)
        except Exception as error:  # what a model refuses, each library says in its own way
            reason = loading.first_line(error)
            continue
        return {"rows": len(table), "own_rows": bool(data), "difference": _difference(before, kind.ask(again, table))}
    if data:
        raise Unconvertible(f"the model refuses the rows of --data ({reason}).")
    raise Unconvertible(f"the model takes none of the rows drawn to compare its predictions ({reason}). {rows.WAY_OUT}")


def _difference(before: Any, after: Any) -> float:
    """The largest, relative to the largest prediction; infinite where they are of other shapes or labels."""
    import numpy

    left, right = numpy.asarray(before), numpy.asarray(after)
    if left.shape != right.shape:
        return float("inf")
    if left.dtype.kind not in "fiub":
        return 0.0 if (left == right).all() else float("inf")
    left, right = left.astype(float), right.astype(float)
    if not (numpy.isnan(left) == numpy.isnan(right)).all():
        return float("inf")
    scale = max(float(numpy.nanmax(numpy.abs(left), initial=0.0)), 1e-300)
    return float(numpy.nanmax(numpy.abs(left - right), initial=0.0)) / scale


def _title(found: Any, model: Any) -> str:
    steps = getattr(model, "steps", None)
    inside = f" of {', '.join(type(step).__name__ for _, step in steps)}" if steps else ""
    return type(found if found is not None else model).__name__ + inside


def _version(kind: Any) -> str:
    package = {found: name for name, found in kinds.KINDS.items()}[type(kind)]
    python = ".".join(map(str, sys.version_info[:3]))
    version = importlib.import_module(package).__version__
    return f"{kind.name} {version} (Python {python}, {os.path.abspath(sys.executable)})"
