"""Values by their definition: shap's own, whatever the model, for few features, in calls of a bounded size."""

import numpy as np
import pytest
import shap
import xgboost as xgb
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC

from child.explainers import exact
from child.models import model as models
from jobs import planner
from jobs.options import Options
from jobs.protocol import Done, Plan
from tests.child.support import Supervisor, explained, npy, skops_bytes


def shaps(call, rows, background):
    return shap.explainers.Exact(call, shap.maskers.Independent(background, max_samples=len(background)))(rows)


@pytest.mark.parametrize("estimator", [KNeighborsClassifier(algorithm="brute"), SVC()])
def test_a_model_of_few_features_is_explained_exactly(samples, estimator):
    """With a feature that one row shares with the whole background, which shap leaves out."""
    estimator.fit(samples.x, samples.three)
    background = samples.x[40:60].copy()
    background[:, 3] = samples.x[2, 3]
    values, heard, info = explained(skops_bytes(estimator), npy(samples.x[:6]), npy(background))
    wanted = shaps(
        estimator.decision_function if isinstance(estimator, SVC) else estimator.predict_proba,
        samples.x[:6],
        background,
    )
    np.testing.assert_allclose(values, wanted.values, rtol=0, atol=1e-9)
    np.testing.assert_allclose(info.base_values, wanted.base_values[0], rtol=0, atol=1e-9)
    assert (info.explainer, info.outputs) == ("exact", ["0", "1", "2"])
    assert heard.one(Done).summary["additivity"]["ok"]


def test_probabilities_of_boosted_trees_are_exact_where_a_job_asks_for_it(samples, boosted):
    rows, background = samples.x[:6], samples.x[40:60]
    asked = {"model_output": "probability", "explainer": "exact"}
    values, _, info = explained(bytes(boosted.save_raw("json")), npy(rows), npy(background), **asked)
    wanted = shaps(lambda some: boosted.predict(xgb.DMatrix(some)), rows, background)
    np.testing.assert_allclose(values[..., 0], wanted.values, rtol=0, atol=1e-7)
    assert (info.explainer, info.explains) == ("exact", "probability")


@pytest.mark.parametrize(
    ("features", "max_evals", "explainer"), [(11, None, "exact"), (12, None, "permutation"), (5, 31, "permutation")]
)
def test_more_coalitions_than_a_job_would_ask_for_are_sampled(features, max_evals, explainer):
    x = np.random.default_rng(0).normal(size=(40, features))
    model = skops_bytes(GaussianNB().fit(x, x[:, 0] > 0))
    _, _, info = explained(model, npy(x[:1]), npy(x[:2]), **({"max_evals": max_evals} if max_evals else {}))
    assert info.explainer == explainer
    assert explainer == "exact" or "nor by every coalition of its features, as" in info.reason


@pytest.mark.parametrize(("background", "most"), [(7, 16), (30, 30)])
def test_the_model_is_asked_for_so_many_rows_at_once(monkeypatch, background, most):
    """By any number of calls the values are the same; at least one coalition goes into each."""
    asked = []

    def call(rows):
        asked.append(len(rows))
        return np.c_[rows[:, 0] * rows[:, 1], rows.sum(axis=1)]

    x = np.random.default_rng(0).normal(size=(40, 3))
    output = models.Output(call=call, names=["a", "b"])
    parts = {"family": "any", "name": "M", "estimator": None, "features": None, "takes_missing": False}
    model = models.Model(n_features=3, outputs={"prediction": output}, **parts)
    whole = exact.ExactShap(model, Options(), x[:background]).explain(x[30:32], 0)
    monkeypatch.setattr(exact, "ASKED_AT_ONCE", 16)
    explainer = exact.ExactShap(model, Options(), x[:background])
    asked.clear()
    np.testing.assert_allclose(explainer.explain(x[30:32], 0), whole, rtol=0, atol=1e-12)
    assert max(asked) <= most
    assert sum(asked) == 2 * explainer.asked_per_row


def test_rows_that_ask_for_much_are_shared_out_by_what_they_ask(samples, monkeypatch):
    """So that all slots work, whatever batch_size would allow."""
    monkeypatch.setattr(planner, "ASKED_LEAST", 1)
    model = skops_bytes(KNeighborsRegressor(algorithm="brute").fit(samples.x, samples.number))
    for explainer, parts in (("exact", 3), ("permutation", 3), ("kernel", 3)):
        supervisor = Supervisor({"model": model, "data": npy(samples.x[:9]), "background": npy(samples.x[:5])})
        supervisor.load(explainer=explainer)
        assert len(supervisor.open(500, slots=3).one(Plan).spans) == parts
