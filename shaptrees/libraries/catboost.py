"""CatBoost's models explain themselves: their trees look at more than columns. shap does the same."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from shaptrees.arrays import Floats
from shaptrees.libraries import comes_from


@dataclass(frozen=True)
class CatBoost:
    """A model whose library has the values. Its tables are the library's: data frames with text, or a Pool."""

    model: Any

    def values(self, table: Any) -> tuple[Floats, Floats]:
        """SHAP values (n, F) or (n, F, K), and the expected value (K,)."""
        phi = self._ask(table, "ShapValues")
        return (phi[:, :-1], phi[:1, -1]) if phi.ndim == 2 else (np.moveaxis(phi[..., :-1], 1, -1), phi[0, :, -1])  # noqa: PLR2004

    def interactions(self, table: Any) -> tuple[Floats, Floats]:
        """Interaction values (n, F, F) or (n, F, F, K), and the expected value (K,)."""
        phi = self._ask(table, "ShapInteractionValues")[..., :-1, :-1]
        return phi if phi.ndim == 3 else np.moveaxis(phi, 1, -1), self.values(table)[1]  # noqa: PLR2004

    def own_output(self, table: Any) -> Floats:
        """The raw output: (n, K)."""
        raw = np.asarray(self.model.predict(table, prediction_type="RawFormulaVal"), dtype=np.float64)
        return raw.reshape(len(raw), -1)

    def _ask(self, table: Any, kind: str) -> Any:
        from catboost import Pool

        pool = table if isinstance(table, Pool) else Pool(table, cat_features=self.model.get_cat_feature_indices())
        return np.asarray(self.model.get_feature_importance(data=pool, type=kind))


def takes(model: Any) -> bool:
    return comes_from(model, "catboost", "CatBoost")


def fitted(model: Any) -> CatBoost:
    return CatBoost(model)
