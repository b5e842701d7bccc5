"""TreeExplainer: SHAP values of a fitted model's predictions, with shap's signature and shapes.

Runs where the library is used. Puts together what the other modules do: a model's trees (`fitted`), tables (`rows`),
the ways of leaving features out (`methods`), what is explained (`units`), and the result (`explanation`).
"""

import time
import warnings
from functools import cached_property
from typing import Any

import numpy as np

from shaptrees import additivity, engine, threads
from shaptrees.arrays import Floats
from shaptrees.covers import are_known, of_rows
from shaptrees.errors import ModelError
from shaptrees.explanation import explanation
from shaptrees.fitted import Fitted, fitted, limited, wide
from shaptrees.methods import Interventional, PathDependent
from shaptrees.rows import names, rows, values
from shaptrees.units import transform

_WAYS = ("auto", "interventional", "tree_path_dependent")


class TreeExplainer:
    """Exact SHAP values of a model of trees.

    `model` is a fitted model of scikit-learn, XGBoost, LightGBM, CatBoost or NGBoost, the path or the bytes of a model
    file, or a dictionary of trees. With background rows `data` (N, F), features that are left out come from all of
    them; without, they follow the covers of the trees. `model_output` is raw, probability, log_loss, predict or
    predict_proba. `n_jobs` threads compute; values do not depend on how many. `link`, `linearize_link` and
    `approximate` are there for shap's callers, and without effect here.

    Raises UnsupportedModel and UnreadableModel for models, ValueError and NotImplementedError for options.
    """

    def __init__(  # noqa: PLR0917 - shap's signature
        self,
        model: Any,
        data: Any = None,
        model_output: Any = "raw",
        feature_perturbation: str = "auto",
        feature_names: list[str] | None = None,
        approximate: Any = None,
        link: Any = None,  # noqa: ARG002
        linearize_link: Any = None,  # noqa: ARG002
        *,
        n_jobs: int | None = 1,
    ) -> None:
        if approximate is not None:
            warnings.warn("approximate is an argument of shap_values", DeprecationWarning, stacklevel=2)
        data = _unmasked(data)
        self.feature_perturbation = _way(feature_perturbation, data is not None)
        self.data_feature_names = names(data) if feature_names is None else list(feature_names)
        self.model_output, self.n_jobs = model_output, n_jobs
        parameter = model_output if isinstance(model_output, int) else None
        self.model = fitted(model, parameter)
        self.data: Floats | None = None
        self.expected_value: Any = None
        if isinstance(self.model, Fitted):
            self._settle("raw" if parameter is not None else model_output, data)
        elif model_output != "raw" or data is not None:
            raise NotImplementedError("CatBoost explains its raw output, and without a background")

    def _settle(self, model_output: Any, data: Any) -> None:
        self._transform, self._doubled = transform(self.model, model_output)
        if data is None and not are_known(self.model.trees):
            raise ValueError(
                "the model does not say how many rows came by each split in training: it needs a background"
            )
        self.data = None if data is None else rows(data, self.model.reading)[0]
        if self._transform is not None and self.feature_perturbation != "interventional":
            raise ValueError(f'model_output="{model_output}" needs a background: only "raw" goes without')
        if self._transform is not None and self._transform.labels:
            self.expected_value = self._expected_loss
        else:
            self.expected_value = _alone(self._method.expected(np.zeros(1)))

    def shap_values(
        self,
        X: Any,
        y: Any = None,
        tree_limit: int | None = None,
        approximate: bool = False,
        check_additivity: bool = True,
    ) -> Floats:
        """Values of the rows: (n, F), or (n, F, K) for K outputs; (F,) or (F, K) for a single row.

        `y` (n,) are the labels for log_loss; `tree_limit` takes the first trees alone; `approximate` gives Saabas'
        values. Raises FeatureCount, ValueError for a table that is none, AdditivityError.
        """
        if not isinstance(self.model, Fitted):
            return self._catboost(X, tree_limit, approximate, check_additivity)
        x, single = rows(X, self.model.reading)
        labels = self._labels(y, len(x))
        method = self._at(tree_limit, x.shape[1])
        phi = method.approximate(x) if approximate else method.values(x, labels)
        if check_additivity:
            self._check(method, phi, x, labels, own=tree_limit is None)
        return phi[0] if single else phi

    def shap_interaction_values(self, X: Any, y: Any = None, tree_limit: int | None = None) -> Floats:  # noqa: ARG002
        """Interaction values of the rows: (n, F, F), or (n, F, F, K); without n for a single row.

        A row of a matrix adds up to the SHAP value of its feature. Of the raw output alone. Errors as `shap_values`.
        """
        if not isinstance(self.model, Fitted):
            phi, expected = self.model.interactions(X)
            self.expected_value = _alone(expected)
            return np.asarray(phi)
        if self._transform is not None:
            raise NotImplementedError("interaction values are of the raw output")
        x, single = rows(X, self.model.reading)
        phi = self._at(tree_limit, x.shape[1]).interactions(x)
        return phi[0] if single else phi

    def __call__(
        self,
        X: Any,
        y: Any = None,
        interactions: bool = False,
        check_additivity: bool = True,
        approximate: bool = False,
    ) -> Any:
        """An explanation: `values`, `base_values`, `data`, `feature_names`. shap's own where shap is installed."""
        if interactions and approximate:
            raise NotImplementedError("there are no approximate interaction values")
        start = time.perf_counter()
        if interactions:
            phi = self.shap_interaction_values(X)
        else:
            phi = self.shap_values(X, y, approximate=approximate, check_additivity=check_additivity)
        found = names(X) or self.data_feature_names
        return explanation(
            values=phi,
            base_values=self._bases(1 if np.ndim(values(X)) == 1 else len(phi), y),
            data=values(X),
            feature_names=found,
            compute_time=time.perf_counter() - start,
        )

    def assert_additivity(self, phi: Any, model_output: Any) -> None:
        """Values, as an array or a list of one an output, against outputs (n,) or (n, K), to two digits as in shap.

        Raises AdditivityError.
        """
        stacked = np.stack(phi, axis=-1) if isinstance(phi, list) else np.asarray(phi)
        output = np.asarray(model_output, dtype=np.float64).reshape(len(stacked), -1)
        phi = stacked.reshape(len(stacked), -1, output.shape[1])
        additivity.check(phi, np.atleast_1d(self.expected_value), output, tolerance=1e-2)

    @staticmethod
    def supports_model_with_masker(model: Any, masker: Any) -> bool:
        """Whether shap.Explainer may take this explainer for the model."""
        try:
            _unmasked(masker)
            fitted(model)
        except (TypeError, ModelError):
            return False
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_method"}

    @cached_property
    def _method(self) -> PathDependent | Interventional:
        """With all trees."""
        return self._made(None, self.model.trees.features if self.data is None else self.data.shape[1])

    def _at(self, tree_limit: int | None, features: int) -> PathDependent | Interventional:
        same = features == self._method.trees.features or not self.model.open
        return self._method if tree_limit is None and same else self._made(tree_limit, features)

    def _made(self, tree_limit: int | None, features: int) -> PathDependent | Interventional:
        trees, many = limited(self.model.trees, tree_limit), threads.count(self.n_jobs)
        trees = wide(trees, features) if self.model.open else trees
        if self.feature_perturbation == "tree_path_dependent":
            return PathDependent(trees if self.data is None else of_rows(trees, self.data), many)
        assert self.data is not None
        return Interventional(trees, self.data, self._transform, self._doubled, many)

    def _labels(self, y: Any, count: int) -> Floats:
        if self._transform is None or not self._transform.labels:
            return np.zeros(count)
        labels = np.asarray(y if y is not None else (), dtype=np.float64).ravel()
        if len(labels) != count:
            raise ValueError(f"log_loss needs a label y for each of the {count} rows, not {len(labels)}")
        return labels

    def _expected_loss(self, y: Any) -> Any:
        """The background's mean loss for a label, or for each of some."""
        found = self._method.expected(np.atleast_1d(np.asarray(y, dtype=np.float64)))
        return found if np.ndim(y) else found[0]

    def _check(
        self, method: PathDependent | Interventional, phi: Floats, x: Floats, labels: Floats, *, own: bool
    ) -> None:
        raw = self.model.own_output(x) if own and self.model.own else engine.predict(method.trees, x)
        output = method.turned(raw, labels)
        expected = method.expected(labels)
        expected = expected[:, None] if callable(self.expected_value) else expected
        additivity.check(phi.reshape(*phi.shape[:2], output.shape[1]), expected, output)

    def _bases(self, count: int, y: Any) -> Floats:
        """(n,) or (n, K)."""
        if callable(self.expected_value):
            return np.atleast_1d(self.expected_value(np.asarray(y)))
        return np.repeat(np.asarray(self.expected_value)[None], count, axis=0)

    def _catboost(self, table: Any, tree_limit: int | None, approximate: bool, check_additivity: bool) -> Floats:
        if approximate or tree_limit is not None:
            raise NotImplementedError("CatBoost has neither approximate values nor a tree_limit for them")
        phi, expected = self.model.values(table)
        self.expected_value = _alone(expected)
        if check_additivity:
            additivity.check(phi.reshape(*phi.shape[:2], -1), expected, self.model.own_output(table))
        return np.asarray(phi)


def _alone(expected: Floats) -> Any:
    return expected[0] if len(expected) == 1 else expected


def _way(wanted: str, background: bool) -> str:
    if wanted not in _WAYS:
        raise ValueError(
            f"feature_perturbation must be 'auto', 'interventional', or 'tree_path_dependent', not {wanted!r}"
        )
    if wanted == "interventional" and not background:
        warnings.warn(
            "In the future, passing feature_perturbation='interventional' without background rows raises an error; "
            "'auto' takes what there is",
            FutureWarning,
            stacklevel=3,
        )
    return "interventional" if background and wanted != "tree_path_dependent" else "tree_path_dependent"


def _unmasked(data: Any) -> Any:
    """The rows in one of shap's maskers. Raises TypeError for another than Independent."""
    if not type(data).__module__.startswith("shap."):
        return data
    if type(data).__name__ != "Independent":
        raise TypeError(f"Unsupported masker type: {type(data)}")
    return data.data
