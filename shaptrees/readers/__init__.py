"""Model files and fitted models, read into arrays without the library that wrote them: one family a file.

- `read(content)`: the bytes of a file, whatever the family; `xgboost.read` and `lightgbm.read` are for one of them.
- `sklearn.convert(estimator)`: a fitted estimator of scikit-learn, which need not be imported.

Each returns an `Ensemble`: its `trees`, and `about`, which names the family, features and outputs. A reader parses and
checks in one place, so that what was checked is what is used: a file is somebody else's, and the kernel trusts its
arrays. All raise `UnreadableModel` for what is broken and `UnsupportedModel` for what is another kind of model.
"""

from shaptrees.ensemble import Ensemble
from shaptrees.errors import UnreadableModel
from shaptrees.readers import lightgbm, xgboost

__all__ = ["read"]


def read(content: bytes, *, codes: bool = False) -> Ensemble:
    """The trees in a file of XGBoost (JSON, UBJSON) or LightGBM (text), told apart by its first bytes.

    `codes`: rows hold the codes of categories, and not the categories that the file lists.
    """
    if content.startswith((b"tree\n", b"tree\r")):
        return lightgbm.read(content, codes=codes)
    if content.lstrip().startswith(b"{"):
        return xgboost.read(content, codes=codes)
    raise UnreadableModel("a file of an unknown kind", "it is neither JSON or UBJSON of XGBoost nor text of LightGBM")
