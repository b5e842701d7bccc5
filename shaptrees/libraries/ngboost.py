"""NGBoost's models with the default learner: of its boosters, those of one parameter of the distribution."""

from typing import Any

import numpy as np

from shaptrees.errors import UnsupportedModel
from shaptrees.fitted import Fitted
from shaptrees.libraries import comes_from, dictionaries


def takes(model: Any) -> bool:
    return comes_from(model, "ngboost", "NGBoost")


def fitted(model: Any, parameter: int = 0) -> Fitted:
    learners = [round_[parameter] for round_ in model.base_models]
    if not all(hasattr(learner, "tree_") for learner in learners):
        raise UnsupportedModel("NGBoost", "its learners are not scikit-learn's trees")
    factors = -model.learning_rate * np.asarray(model.scalings)
    trees = [
        _tree(learner.tree_, factor, columns)
        for learner, factor, columns in zip(learners, factors, model.col_idxs, strict=True)
    ]
    return dictionaries.fitted(
        {"trees": trees, "base_offset": model.init_params[parameter], "input_dtype": np.float32},
        features=model.n_features,
    )


def _tree(tree: Any, factor: float, columns: Any) -> dict[str, Any]:
    inner = tree.children_left >= 0
    return {
        "children_left": tree.children_left,
        "children_right": tree.children_right,
        "children_default": tree.children_left,
        "features": np.where(inner, np.asarray(columns)[np.where(inner, tree.feature, 0)], -1),
        "thresholds": tree.threshold,
        "values": tree.value.reshape(len(inner), -1) * factor,
        "node_sample_weight": tree.weighted_n_node_samples,
    }
