"""Random scikit-learn models that are not trees: linear ones, machines, neighbours, networks, mixtures, pipelines."""

from typing import Any

import numpy as np
from sklearn import (
    cross_decomposition,
    discriminant_analysis,
    dummy,
    gaussian_process,
    kernel_ridge,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from crosscheck.author.draw import Draw
from crosscheck.author.sklearn_models import VERSION, specimen
from crosscheck.author.specimen import Specimen

MOST_STEPS = 20_000
"""Of libsvm, which without a bound may go on for hours where features are not scaled."""

REGRESSORS: dict[str, Any] = {
    "LinearRegression": linear_model.LinearRegression,
    "Ridge": linear_model.Ridge,
    "Lasso": lambda: linear_model.Lasso(alpha=0.01),
    "ElasticNet": lambda: linear_model.ElasticNet(alpha=0.01),
    "BayesianRidge": linear_model.BayesianRidge,
    "HuberRegressor": lambda: linear_model.HuberRegressor(max_iter=300),
    "SGDRegressor": lambda: linear_model.SGDRegressor(max_iter=20, tol=None),
    "LinearSVR": lambda: svm.LinearSVR(max_iter=500),
    "SVR": lambda: svm.SVR(max_iter=MOST_STEPS),
    "KernelRidge": lambda: kernel_ridge.KernelRidge(kernel="rbf"),
    "KNeighborsRegressor": lambda: neighbors.KNeighborsRegressor(algorithm="brute"),
    "MLPRegressor": lambda: neural_network.MLPRegressor((5,), max_iter=30),
    "GaussianProcessRegressor": lambda: gaussian_process.GaussianProcessRegressor(alpha=0.1),
    "PLSRegression": lambda: cross_decomposition.PLSRegression(n_components=1),
    "DummyRegressor": dummy.DummyRegressor,
}
POSITIVE: dict[str, Any] = {
    "PoissonRegressor": linear_model.PoissonRegressor,
    "GammaRegressor": linear_model.GammaRegressor,
    "TweedieRegressor": lambda: linear_model.TweedieRegressor(power=1.5, link="log"),
}
CLASSIFIERS: dict[str, Any] = {
    "LogisticRegression": lambda: linear_model.LogisticRegression(max_iter=300),
    "LogisticRegression liblinear": lambda: linear_model.LogisticRegression(solver="liblinear"),
    "RidgeClassifier": linear_model.RidgeClassifier,
    "Perceptron": linear_model.Perceptron,
    "SGDClassifier": lambda: linear_model.SGDClassifier(loss="log_loss"),
    "LinearSVC": lambda: svm.LinearSVC(max_iter=500),
    "SVC": lambda: svm.SVC(max_iter=MOST_STEPS),
    "NuSVC": lambda: svm.NuSVC(nu=0.3, max_iter=MOST_STEPS),
    "KNeighborsClassifier": lambda: neighbors.KNeighborsClassifier(algorithm="brute"),
    "MLPClassifier": lambda: neural_network.MLPClassifier((5,), max_iter=30),
    "GaussianNB": naive_bayes.GaussianNB,
    "LinearDiscriminantAnalysis": discriminant_analysis.LinearDiscriminantAnalysis,
    "QuadraticDiscriminantAnalysis": discriminant_analysis.QuadraticDiscriminantAnalysis,
    "GaussianProcessClassifier": gaussian_process.GaussianProcessClassifier,
    "NearestCentroid": neighbors.NearestCentroid,
}


def draw(dice: Draw) -> Specimen:
    table = dice.table()
    table = table._replace(background=table.x[:8]) if dice.chance(0.85) else table
    models, target = dice.pick(
        (REGRESSORS, table.number),
        (POSITIVE, table.positive),
        (CLASSIFIERS, table.two),
        (CLASSIFIERS, table.three),
    )
    name = dice.pick(*models)
    if name.endswith("liblinear") and VERSION >= (1, 8):
        target = table.two
    several = models is REGRESSORS and name in ("LinearRegression", "Ridge", "KNeighborsRegressor", "MLPRegressor")
    if several and dice.chance(0.3):
        target = np.c_[table.number, table.positive]
    model = _whole(dice, models[name](), name)
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    model.fit(table.x, target)
    kind = name if model.__class__.__name__ != "Pipeline" else f"Pipeline of {name}"
    return specimen(dice, model, table, kind=kind)


def _whole(dice: Draw, model: Any, name: str) -> Any:
    """Most with a scaler before them, as they are used."""
    if name == "LogisticRegression" and VERSION < (1, 7) and dice.chance(0.3):
        model.set_params(multi_class=dice.pick("ovr", "multinomial"))
    if name == "SVC" and dice.chance(0.4):
        model.set_params(probability=True, kernel=dice.pick("rbf", "poly", "linear"))
    if dice.chance(0.3):
        return make_pipeline(dice.pick(StandardScaler(), MinMaxScaler()), model)
    return model
