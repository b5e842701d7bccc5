"""Model files, read in a template: one family a file, and one `Model` whatever the family.

Files are recognised by content. Every index in a tree is checked before native code follows it. Does not explain
anything: see `work.explainers`.
"""

from jobs.errors import PickleRefused, UnreadableModel, UnsupportedMediaType
from jobs.formats import SNIFF_BYTES, ModelFormat, sniff_model
from jobs.work.models.model import Model, Output
from jobs.work.rows import Source

__all__ = ["Model", "Output", "load"]

_SUPPORTED = "XGBoost JSON or UBJSON, LightGBM text, skops"


def load(source: Source, *, trusted: bool) -> Model:
    """The model in this part; `trusted` allows a pickle.

    Raises UnreadableModel, UntrustedTypes, UnsupportedModel, PickleRefused, UnsupportedMediaType.
    """
    if not source.size:
        raise UnreadableModel(format="empty file", reason="it holds no bytes")
    source.file.seek(0)
    found = sniff_model(source.file.read(SNIFF_BYTES))
    source.file.seek(0)
    match found:
        case ModelFormat.XGBOOST_JSON | ModelFormat.XGBOOST_UBJ:
            from jobs.work.models import xgboost_file

            return xgboost_file.load(source.file.read(), ModelFormat(found))
        case ModelFormat.LIGHTGBM_TEXT:
            from jobs.work.models import lightgbm_file

            return lightgbm_file.load(source.file.read())
        case ModelFormat.SKOPS:
            from jobs.work.models import sklearn_file

            return sklearn_file.load_skops(source.file)
        case ModelFormat.PICKLE:
            if not trusted:
                raise PickleRefused(field=source.field)
            from jobs.work.models import pickle_file

            return pickle_file.load(source.file)
    raise UnsupportedMediaType(field=source.field, found=found, supported=_SUPPORTED)
