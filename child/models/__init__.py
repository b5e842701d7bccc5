"""Model files, read in a template: one family a file, and one `Model` or one `Ensemble` whatever the family.

- `load`: a model that can be asked, by its own library.
- `read_trees`: the trees of a model without its library, in a lean process, by `shaptrees.readers`.
- `versions`: what another scikit-learn may have meant by a file; `older`: what it only wrote otherwise.
- `boosters_inside`: those of other libraries within a skops file.
- `conversion`: the trees of a loaded model, compared with it on parity rows (`parity`).
- `ensemble_file`: trees as a file, for those who explain them.

Files are recognised by content (`jobs.formats`); what reads which is below. Every index in a tree is checked
before native code follows it. Does not explain anything: see `child.explainers`.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from child.models.model import Model, Output
from child.parts import Source
from child.stack import NeedsFullStack
from jobs.errors import PickleRefused, UnreadableModel, UnsupportedMediaType
from jobs.formats import MODEL_FORMATS, SNIFF_BYTES, ModelFormat, sniff_model
from shaptrees.ensemble import Ensemble
from shaptrees.errors import UnsupportedModel
from shaptrees.readers import lightgbm, xgboost

__all__ = ["Model", "Output", "load", "read_trees"]


@dataclass(frozen=True, kw_only=True)
class Readers:
    """What reads one format."""

    loader: str
    """The module whose `load(file)` gives a Model. It brings the library, so it is imported when a model comes."""
    reader: Callable[[bytes], Ensemble] | None = None
    """Reads the trees of its files without the library."""


_XGBOOST = Readers(loader="child.models.xgboost_model", reader=partial(xgboost.read, texts=True))
_READERS = {
    ModelFormat.XGBOOST_JSON: _XGBOOST,
    ModelFormat.XGBOOST_UBJ: _XGBOOST,
    ModelFormat.LIGHTGBM_TEXT: Readers(loader="child.models.lightgbm_model", reader=partial(lightgbm.read, texts=True)),
    ModelFormat.CATBOOST: Readers(loader="child.models.catboost_model"),
    ModelFormat.SKOPS: Readers(loader="child.models.sklearn_file"),
    ModelFormat.PICKLE: Readers(loader="child.models.pickle_file"),
}


def load(source: Source, *, trusted: bool) -> Model:
    """The model in this part; `trusted` allows a pickle.

    Raises UnreadableModel, UntrustedTypes, UnsupportedModel, MissingExtra, PickleRefused, UnsupportedMediaType, and
    ModelError.
    """
    found = _sniffed(source, trusted=trusted)
    model: Model = importlib.import_module(_READERS[found].loader).load(source.file)
    return model


def read_trees(source: Source, *, trusted: bool) -> Ensemble:
    """The trees in this part, without any library.

    Raises as `load`, and NeedsFullStack where the model needs its library.
    """
    found = _sniffed(source, trusted=trusted)
    reader = _READERS[found].reader
    if not reader:
        raise NeedsFullStack(f"a {found} file is read by the libraries that wrote it")
    try:
        return reader(source.file.read())
    except UnsupportedModel as error:
        raise NeedsFullStack(error.reason) from None


def _sniffed(source: Source, *, trusted: bool) -> ModelFormat:
    if not source.size:
        raise UnreadableModel(format="empty file", reason="it holds no bytes")
    source.file.seek(0)
    found = sniff_model(source.file.read(SNIFF_BYTES))
    source.file.seek(0)
    if not isinstance(found, ModelFormat):
        raise UnsupportedMediaType(field=source.field, found=found, supported=MODEL_FORMATS)
    if found is ModelFormat.PICKLE and not trusted:
        raise PickleRefused(field=source.field, supported=MODEL_FORMATS)
    return found
