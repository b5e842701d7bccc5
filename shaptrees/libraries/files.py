"""The bytes of a model file, whichever library wrote it. No library is needed."""

from typing import Any

from shaptrees import readers
from shaptrees.fitted import Fitted
from shaptrees.libraries import lightgbm, xgboost


def takes(model: Any) -> bool:
    return isinstance(model, bytes | bytearray | memoryview)


def fitted(model: Any) -> Fitted:
    content = bytes(model)
    ensemble = readers.read(content, codes=True)
    if ensemble.about.family == "xgboost":
        return xgboost.of(ensemble, content)
    return lightgbm.of(ensemble, content)
