"""Who computes the values: this engine at each level, and its peers. Runs in an engine's own process.

An engine turns a task into an `Explain`, which is what is timed; reading the model and building an explainer are
not, and neither is the table that the engine makes once a job of its background. Each is set up as its own documents
say, in its fastest exact form; all give (n, F), or (n, F, F), in the order and units of shap.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from bench.models import FEATURES, MODELS, Floats, fitted, uploaded
from bench.tasks import Kind, Task

Explain = Callable[[Floats], Floats]
ENGINE = "engine "
"""Before the level's name."""
PEERS = ("shap", "XGBoost", "LightGBM", "shapiq", "woodelf")
BATCHED = frozenset({f"{ENGINE}numpy", "woodelf"})
"""Much of their time does not depend on the number of rows, so a few rows scaled up would do them wrong."""


def explain_with(name: str, task: Task) -> Explain:
    """Raises whatever a peer raises where it cannot do this."""
    if name.startswith(ENGINE):
        return _engine(task, name.removeprefix(ENGINE))
    return {"shap": _shap, "shapiq": _shapiq, "woodelf": _woodelf}.get(name, _booster)(task)


@lru_cache(maxsize=1)
def _kept(name: str, task: Task) -> Explain:
    return explain_with(name, task)


def prepare_worker(name: str, task: Task) -> None:
    """Runs in a joblib worker: with its libraries and its explainer it is ready."""
    _kept(name, task)


def in_worker(name: str, task: Task, x: Floats) -> Floats:
    """Runs in a joblib worker, which keeps its explainer from call to call."""
    return _kept(name, task)(x)


def takes_part(name: str, task: Task) -> bool:
    """Whether there is such a thing at all: a booster's own values are of its own models and have no background."""
    if name in {"XGBoost", "LightGBM"}:
        its_own = MODELS[task.model].title.startswith(name)
        return its_own and (task.kind is Kind.VALUES or (name == "XGBoost" and task.kind is Kind.INTERACTIONS))
    return not (name == "shapiq" and task.kind.background is not None)


def _engine(task: Task, level: str) -> Explain:
    from shaptrees import engine

    trees = _trees(task)
    background = task.kind.background
    if background is not None:
        return engine.Background(trees, background, level=level).values
    if task.kind is Kind.INTERACTIONS:
        return lambda x: engine.interaction_values(trees, x, level=level)
    return lambda x: engine.shap_values(trees, x, level=level)


def _trees(task: Task) -> Any:
    from shaptrees.readers import lightgbm, sklearn, xgboost

    path = uploaded(task.directory, task.model)
    match path.suffix:
        case ".json":
            return xgboost.read(path.read_bytes()).trees
        case ".txt":
            return lightgbm.read(path.read_bytes()).trees
    return sklearn.convert(fitted(task.directory, task.model)).trees


def _shap(task: Task) -> Explain:
    """shap's C kernel, for boosters too, where it would call the booster's own."""
    import shap

    background, model = task.kind.background, fitted(task.directory, task.model)
    if background is not None:
        masker = shap.maskers.Independent(background, max_samples=len(background))
        explainer = shap.TreeExplainer(model, masker)
    else:
        explainer = shap.TreeExplainer(model)
    explainer.model.model_type = "internal"
    if task.kind is Kind.INTERACTIONS:
        return lambda x: np.asarray(explainer.shap_interaction_values(x))
    return lambda x: np.asarray(explainer.shap_values(x, check_additivity=False))


def _booster(task: Task) -> Explain:
    model = fitted(task.directory, task.model)
    if task.model == "lightgbm":
        booster = model.booster_
        return lambda x: np.asarray(booster.predict(x, pred_contrib=True))[:, :-1]
    import xgboost

    booster = model.get_booster()
    if task.kind is Kind.INTERACTIONS:
        return lambda x: booster.predict(xgboost.DMatrix(x), pred_interactions=True)[:, :-1, :-1]
    return lambda x: booster.predict(xgboost.DMatrix(x), pred_contribs=True)[:, :-1]


def _shapiq(task: Task) -> Explain:
    import pandas
    import shapiq

    pandas.set_option("future.infer_string", False)  # or it cannot read XGBoost's trees with pandas 3
    model = fitted(task.directory, task.model)
    if task.kind is Kind.INTERACTIONS:
        pairs = shapiq.TreeExplainer(model, max_order=2, index="SII")
        return lambda x: np.stack([_matrix(pairs.explain(row)) for row in x])
    singles = shapiq.TreeExplainer(model, max_order=1, index="SV")
    return lambda x: np.stack([_singles(singles.explain(row)) for row in x])


def _singles(found: Any) -> Floats:
    """(F,): shapiq leaves out features that the model does not use."""
    values = np.zeros(FEATURES)
    for features, value in found.dict_values.items():
        if len(features) == 1:
            values[features[0]] = value
    return values


def _matrix(found: Any) -> Floats:
    """(F, F) as shap has it: a pair's value in two halves, and on the diagonal what is left of a feature's value."""
    matrix = np.zeros((FEATURES, FEATURES))
    for features, value in found.dict_values.items():
        if len(features) == 2:
            matrix[features] = matrix[features[::-1]] = value / 2
    np.fill_diagonal(matrix, _singles(found) - matrix.sum(axis=1))
    return matrix


def _woodelf(task: Task) -> Explain:
    import pandas as pd
    from woodelf import WoodelfExplainer

    background, model = task.kind.background, fitted(task.directory, task.model)
    explainer = WoodelfExplainer(model) if background is None else WoodelfExplainer(model, pd.DataFrame(background))
    call = explainer.shap_interaction_values if task.kind is Kind.INTERACTIONS else explainer.shap_values
    return lambda x: np.asarray(call(pd.DataFrame(x)))
