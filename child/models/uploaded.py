"""An uploaded skops file: nothing that is not on our list (`trusted`), nothing that reads files. Used in templates.

The list is held against the file's own schema before skops builds anything of it. Does not check what native code
follows: see `tree_nodes`, and `sklearn_parts`, which operators' own files pass as well.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np
import scipy.special
import skops.io
from sklearn.feature_extraction.text import HashingVectorizer, _VectorizerMixin

from child.models import boosters_inside, sklearn_parts, tree_nodes
from child.models.boosters_inside import SCHEMA, nodes
from child.models.trusted import BY_LOADER, FUNCTION_NAMES, PARTIAL_OF, TRUSTED
from jobs.errors import UnreadableModel, UntrustedTypes

SHOWN = 10
NOT_OURS = (
    "Only scikit-learn's own estimators are loaded; for others, let the operator place the model in TRUSTED_MODEL_DIR."
)
NOT_KEPT_AS_TREES = (
    "Neighbours that are kept in a tree are arrays that native code follows unchecked: fit the model once more with "
    'model.set_params(algorithm="brute"), which predicts the same but for rows equally far away, and save it again.'
)
ANALYZERS = ("word", "char", "char_wb")
_UFUNCS = {"numpy": np, "scipy.special._ufuncs": scipy.special, "scipy.special._special_ufuncs": scipy.special}
Node = dict[str, Any]
tree_nodes.register()


def loads(raw: bytes) -> Any:
    """The estimator. Raises UntrustedTypes, UnreadableModel, and whatever skops makes of a garbled archive."""
    _require_schema(raw)
    raw = boosters_inside.unpacked(raw)
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        schema = json.loads(archive.read(SCHEMA))
    foreign = sorted({name for node in nodes(schema) if (name := _foreign(node))})
    if foreign:
        raise untrusted(", ".join(foreign[:SHOWN]))
    ufuncs = {_name(node) for node in nodes(schema) if node["__loader__"] == "FunctionNode"}
    estimator = skops.io.loads(raw, trusted=[*TRUSTED, *ufuncs])
    for part in sklearn_parts.parts(estimator):
        _check_content_only(part)
    return boosters_inside.restore(estimator)


def untrusted(types: str) -> UntrustedTypes:
    """With the way out that there is for these types."""
    return UntrustedTypes(types=types, way_out=NOT_KEPT_AS_TREES if "sklearn.neighbors._" in types else NOT_OURS)


def _require_schema(raw: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        if SCHEMA not in archive.namelist():
            reason = f"a ZIP archive without the {SCHEMA} of skops; of a scikit-learn model, skops.io.dump makes one"
            raise UnreadableModel(format="skops", reason=reason)


def _name(node: Node) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _foreign(node: Node) -> str | None:
    """What this node would rebuild, if that is not on our list."""
    loader, name = node["__loader__"], _name(node)
    if loader == "CachedNode":
        return None
    if loader == "FunctionNode":
        known = isinstance(node.get("content"), type(None)) and (name in FUNCTION_NAMES or _is_ufunc(node))
    elif loader == "PartialNode":
        known = name in BY_LOADER[loader] and _is_check_array(node)
    else:
        known = name in BY_LOADER.get(loader, ())
    return None if known else name


def _is_ufunc(node: Node) -> bool:
    """NumPy's and SciPy's elementwise functions: they see one number after the other, and nothing else."""
    home = _UFUNCS.get(str(node.get("__module__")))
    return isinstance(getattr(home, str(node.get("__class__")), None), np.ufunc)


def _is_check_array(node: Node) -> bool:
    content = node.get("content")
    func = content.get("func") if isinstance(content, dict) else None
    return isinstance(func, dict) and func.get("__loader__") == "FunctionNode" and _name(func) == PARTIAL_OF


def _check_content_only(part: Any) -> None:
    """Text vectorisers read what a row holds, never a file of that name. Raises UnreadableModel."""
    if not isinstance(part, _VectorizerMixin):
        return
    own = vars(part)
    callables = [name for name in ("preprocessor", "tokenizer") if own.get(name) is not None]
    faults = [
        *([f"input is {own.get('input')!r}, not 'content'"] if own.get("input") != "content" else []),
        *([f"its analyzer is none of {', '.join(ANALYZERS)}"] if own.get("analyzer") not in ANALYZERS else []),
        *(f"it has a {name} of its own" for name in callables),
        *(["its n_features is no positive number"] if _hashes_into_nothing(part) else []),
    ]
    if faults:
        raise UnreadableModel(format="skops", reason=f"{type(part).__name__}: {'; '.join(faults)}")


def _hashes_into_nothing(part: Any) -> bool:
    return isinstance(part, HashingVectorizer) and not (
        isinstance(part.n_features, int) and 0 < part.n_features < 2**31
    )
