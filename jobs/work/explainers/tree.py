"""Trees through shap.TreeExplainer: path-dependent without a background, interventional with one.

Used in templates and children. Refuses what shap would compute wrongly or crash on; what it cannot know of is caught
by the additivity check of every chunk.
"""

import re
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np
import shap
from shap.utils._exceptions import ExplainerError, InvalidModelError

from jobs.errors import BackgroundRequired, UnsupportedCombination, UnsupportedModel
from jobs.options import Options
from jobs.work.models.model import Model, Output, Rows

RELATIVE_ERROR_INTERVENTIONAL = 1e-5
"""shap's interventional kernel keeps leaf values in float32, whatever the model's own precision."""
MAX_NODES = 32_767
"""shap before 0.54 counts nodes in 16 bits in the interventional kernel, and crashes beyond."""
_COUNTS_IN_16_BITS = tuple(int(part) for part in version("shap").split(".")[:2]) < (0, 54)
_FORESTS = frozenset(
    f"{kind}{task}" for kind in ("RandomForest", "ExtraTrees", "DecisionTree", "ExtraTree")
    for task in ("Classifier", "Regressor")
)  # fmt: skip
_GRADIENT = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
_HISTOGRAM = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})


def obstacle(model: Model, model_output: str, *, has_background: bool) -> str | None:
    """Why shap's trees cannot explain this model, to follow "as"; None when they can."""
    if model.family == "scikit-learn":
        reason = _sklearn_obstacle(model, has_background=has_background)
    else:
        reason = _booster_obstacle(model, has_background=has_background)
    if reason or model_output != "probability":
        return reason
    if "probability" not in model.outputs:
        return f"{model.name} gives no probabilities"
    if native_output(model) != "probability" and len(model.outputs["margin"].names) > 1:
        return "shap cannot give the probabilities of boosted trees with several classes"
    return None


class TreeShap:
    """Exact values of an ensemble of trees."""

    def __init__(self, model: Model, options: Options, background: Rows | None) -> None:
        self._interactions = options.interactions
        self._cut = model.single_precision
        self._model = model
        self.explains = "probability" if options.model_output == "probability" else native_output(model)
        self._check_asked(background)
        transformed = self.explains != native_output(model)
        self._path_dependent = background is None
        try:
            self._explainer = self._build(background, "probability" if transformed else "raw")
        except (NotImplementedError, InvalidModelError, ExplainerError) as error:
            asked = "the tree explainer" + (" with a background" if background is not None else "")
            raise UnsupportedCombination(asked=asked, model=model.name, reason=str(error)) from None
        self.engine = f"shap.TreeExplainer ({'path-dependent' if background is None else 'interventional'})"
        self._check_built()
        values = self.explain(np.zeros((1, model.n_features)), 0)
        self.output = last_outputs(model.outputs[self.explains], values.shape[-1])
        self.base_values = self._base_values(background)
        inexact = RELATIVE_ERROR_INTERVENTIONAL if background is not None else 0.0
        self.relative_error = max(model.relative_error, inexact)

    def explain(self, rows: Rows, first: int) -> Rows:  # noqa: ARG002
        """See `Explainer.explain`; does not depend on `first`."""
        data = self._as_model_sees(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._interactions:
                values = self._explainer.shap_interaction_values(data)
            else:
                values = self._explainer.shap_values(data, check_additivity=False)
        values = np.asarray(values, dtype=np.float64)
        single = values.ndim == (3 if self._interactions else 2)
        return np.ascontiguousarray(values[..., None] if single else values)

    def _as_model_sees(self, rows: Rows) -> Any:
        if self._model.family == "xgboost" and self._path_dependent:
            from jobs.work.models import xgboost_file

            return xgboost_file.matrix(self._model.estimator, rows)
        return rows.astype(np.float32).astype(np.float64) if self._cut else rows

    def _build(self, background: Rows | None, model_output: str) -> Any:
        estimator = _for_shap(self._model)
        if background is None:
            return shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
        data = self._as_model_sees(background)
        masker = shap.maskers.Independent(data, max_samples=len(data))  # shap's default cuts it to 100 rows
        return shap.TreeExplainer(estimator, masker, model_output=model_output, feature_perturbation="interventional")

    def _check_asked(self, background: Rows | None) -> None:
        if self._interactions and background is not None:
            reason = "shap gives zeros for interactions with a background; leave the background out"
            raise UnsupportedCombination(asked="interactions", model=self._model.name, reason=reason)
        if self._interactions and _splits_on_categories(self._model):
            reason = "shap misreads splits on categories when it computes interactions"
            raise UnsupportedCombination(asked="interactions", model=self._model.name, reason=reason)
        if self._interactions and self.explains != native_output(self._model):
            reason = "shap gives interactions of the margin only; leave model_output out"
            raise UnsupportedCombination(asked="interactions", model=self._model.name, reason=reason)
        if background is None and self.explains != native_output(self._model):
            raise BackgroundRequired(explainer="tree (model_output=probability)", model=self._model.name)

    def _check_built(self) -> None:
        ensemble = self._explainer.model
        if self._path_dependent and not self._interactions:
            return
        largest = max(len(tree.features) for tree in ensemble.trees)
        if _COUNTS_IN_16_BITS and not self._path_dependent and largest > MAX_NODES:
            reason = (
                f"shap {version('shap')} crashes on trees of more than {MAX_NODES} nodes with a background, and this "
                f"model has one of {largest}; leave the background out, or run on Python 3.12 or later"
            )
            raise UnsupportedCombination(asked="a background", model=self._model.name, reason=reason)

    def _base_values(self, background: Rows | None) -> list[float]:
        if background is not None:  # shap 0.51 misses XGBoost's base score a class; the model itself does not
            return [float(value) for value in self.output.call(background).mean(axis=0)]
        return [float(value) for value in np.atleast_1d(self._explainer.expected_value)]


def native_output(model: Model) -> str:
    """What the trees add up to by themselves: the margin where there is one, the probability of forests."""
    return next(key for key in ("margin", "probability", "prediction") if key in model.outputs)


def last_outputs(output: Output, count: int) -> Output:
    """shap gives one output where the model's own has two: the positive class, which is the last."""
    if count == len(output.names):
        return output
    if count != 1:
        raise UnsupportedModel(model="The model", reason=f"shap gives {count} outputs of {len(output.names)}")
    return Output(call=lambda rows: output.call(rows)[:, -1:], names=output.names[-1:])


def _splits_on_categories(model: Model) -> bool:
    """For LightGBM; XGBoost's are refused when they are loaded, scikit-learn's by `_sklearn_obstacle`."""
    return model.family == "lightgbm" and bool(re.search(r"(?m)^num_cat=[1-9]", model.estimator.model_to_string()))


def _booster_obstacle(model: Model, *, has_background: bool) -> str | None:
    if model.family == "xgboost":
        return "gblinear has no trees" if '"name":"gblinear"' in model.estimator.save_config() else None
    if has_background and _splits_on_categories(model):
        return "shap misreads splits on categories when there is a background, without saying so"
    return None


def _sklearn_obstacle(model: Model, *, has_background: bool) -> str | None:
    estimator = model.estimator
    if model.name in _FORESTS:
        several = "Classifier" in model.name and "probability" not in model.outputs
        return "shap does not take a classifier with several targets" if several else None
    if model.name in _GRADIENT:
        return _gradient_obstacle(model.name, estimator)
    if model.name in _HISTOGRAM:
        if estimator.is_categorical_ is not None:
            return "shap reads its splits on categories as splits on numbers, and is wrong without saying so"
        if has_background:
            return "shap compares its thresholds in 32 bits when there is a background, and is wrong without saying so"
        return None
    return f"shap.TreeExplainer does not take a {model.name}"


def _gradient_obstacle(name: str, estimator: Any) -> str | None:
    if name == "GradientBoostingClassifier" and estimator.estimators_.shape[1] > 1:
        return "shap.TreeExplainer does not take a GradientBoostingClassifier with several classes"
    if name == "GradientBoostingClassifier" and estimator.loss != "log_loss":
        return f"shap misreads the starting value of loss={estimator.loss!r}"
    if type(estimator.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        return "shap.TreeExplainer does not take gradient boosting with an `init` of its own"
    return None


def _for_shap(model: Model) -> Any:
    """The model as shap reads it best. A LightGBM booster of several classes needs its wrapper, which tells shap how
    many trees belong to a round; without it shap adds all classes up.
    """
    if model.family != "lightgbm" or model.estimator.num_model_per_iteration() == 1:
        return model.estimator
    import lightgbm as lgb

    wrapper = lgb.LGBMClassifier()
    wrapper._Booster, wrapper._n_classes = model.estimator, model.estimator.num_model_per_iteration()
    wrapper.fitted_ = True
    return wrapper
