"""Model files, read in a template: one family a file, and one `Model` or one `Ensemble` whatever the family.

- `load`: a model that can be asked, by its own library: `xgboost_model`, `lightgbm_model`,
  `catboost_model`, `sklearn_file`.
- `read_trees`: the trees of a model without its library, in a lean process: `xgboost_head`, `lightgbm_text`.
- `conversion`: the trees of a loaded model, compared with it on parity rows (`parity`).

Files are recognised by content. Every index in a tree is checked before native code follows it. Does not explain
anything: see `child.explainers`.
"""

from child.models.model import Model, Output
from child.parts import Source
from child.stack import NeedsFullStack
from jobs.errors import PickleRefused, UnreadableModel, UnsupportedMediaType
from jobs.formats import SNIFF_BYTES, ModelFormat, sniff_model
from shaptrees.ensemble import Ensemble

__all__ = ["Model", "Output", "load", "read_trees"]

_SUPPORTED = "XGBoost JSON or UBJSON, LightGBM text, CatBoost CBM, skops"


def load(source: Source, *, trusted: bool) -> Model:
    """The model in this part; `trusted` allows a pickle.

    Raises UnreadableModel, UntrustedTypes, UnsupportedModel, MissingExtra, PickleRefused, UnsupportedMediaType.
    """
    match _sniffed(source, trusted=trusted):
        case ModelFormat.XGBOOST_JSON | ModelFormat.XGBOOST_UBJ as found:
            from child.models import xgboost_model

            return xgboost_model.load(source.file.read(), found)
        case ModelFormat.LIGHTGBM_TEXT:
            from child.models import lightgbm_model

            return lightgbm_model.load(source.file.read())
        case ModelFormat.CATBOOST:
            from child.models import catboost_model

            return catboost_model.load(source.file.read())
        case ModelFormat.SKOPS:
            from child.models import sklearn_file

            return sklearn_file.load_skops(source.file)
        case ModelFormat.PICKLE:
            from child.models import pickle_file

            return pickle_file.load(source.file)


def read_trees(source: Source, *, trusted: bool) -> Ensemble:
    """The trees in this part, without any library. Raises as `load`, and NeedsFullStack where none will do."""
    match _sniffed(source, trusted=trusted):
        case ModelFormat.XGBOOST_JSON | ModelFormat.XGBOOST_UBJ as found:
            return _read_xgboost(source.file.read(), found)
        case ModelFormat.LIGHTGBM_TEXT:
            return _read_lightgbm(source.file.read())
        case found:
            raise NeedsFullStack(f"a {found} file is read by the libraries that wrote it")


def _sniffed(source: Source, *, trusted: bool) -> ModelFormat:
    if not source.size:
        raise UnreadableModel(format="empty file", reason="it holds no bytes")
    source.file.seek(0)
    found = sniff_model(source.file.read(SNIFF_BYTES))
    source.file.seek(0)
    if not isinstance(found, ModelFormat):
        raise UnsupportedMediaType(field=source.field, found=found, supported=_SUPPORTED)
    if found is ModelFormat.PICKLE and not trusted:
        raise PickleRefused(field=source.field)
    return found


def _read_xgboost(raw: bytes, found: ModelFormat) -> Ensemble:
    from shaptrees.readers import xgboost_document, xgboost_head
    from shaptrees.readers.xgboost import from_learner

    with xgboost_head.reading(found):
        learner = xgboost_document.parse(raw, found)
        xgboost_head.check_head(learner)
        booster, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
        if booster == "gblinear":
            raise NeedsFullStack("gblinear has no trees")
        if objective not in xgboost_head.KNOWN:
            raise NeedsFullStack(f"only XGBoost knows what its objective {objective} starts from")
        about = xgboost_head.about(learner)
        trees = from_learner(learner, lambda tree, index: xgboost_head.check_tree(tree, index, about.n_features))
        return Ensemble(about=about, trees=trees)


def _read_lightgbm(raw: bytes) -> Ensemble:
    from shaptrees.readers import lightgbm_text
    from shaptrees.readers.lightgbm import from_lightgbm

    with lightgbm_text.reading():
        header = lightgbm_text.check(lightgbm_text.text_of(raw))
        return Ensemble(about=lightgbm_text.about(header), trees=from_lightgbm(raw))
