"""Caps on real models: what does not fit is halved or fails by name, and everybody else goes on."""

import warnings

import numpy as np
import skops.io
from sklearn.datasets import load_diabetes, make_classification
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.neural_network import MLPRegressor

from tests.service.conftest import Service, npy

MIB = 1024 * 1024


def forest(features: int, classes: int) -> tuple[bytes, np.ndarray]:
    x, y = make_classification(600, features, n_informative=20, n_classes=classes, random_state=0)
    return skops.io.dumps(RandomForestClassifier(3, max_depth=4, random_state=0).fit(x, y)), x


def test_a_chunk_that_needs_more_than_its_cap_is_halved_and_the_job_finishes(narrow_service: Service) -> None:
    """A network whose wide layer takes 160 KB a row when the whole chunk is predicted, which no estimate foresees."""
    x = np.random.default_rng(0).normal(size=(500, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = MLPRegressor(hidden_layer_sizes=(20_000,), max_iter=1, random_state=0).fit(x[:50], x[:50, 0])
    job_id = narrow_service.submit(skops.io.dumps(network), npy(x), npy(x[:1]), max_evals=21)
    job = narrow_service.ended(job_id)
    assert job["status"] == "finished", job["error"]
    marked = [attempt for attempt in job["attempt_log"] if attempt["outcome"] != "succeeded"]
    assert marked
    assert {attempt["outcome"] for attempt in marked} <= {"memory_cap", "memory_watch"}
    assert (job["rows_done"], job["chunks"]) == (500, job["chunks_done"])
    assert job["cap_bytes"] == 56 * MIB
    assert job["peak_child_bytes"] <= 1.1 * job["cap_bytes"]
    totals = narrow_service.values(job_id).sum(axis=1) + network.predict(x[:1])
    np.testing.assert_allclose(totals, network.predict(x), atol=1e-6)


def test_a_cap_that_no_row_fits_ends_the_job_by_name_and_nobody_else(narrow_service: Service) -> None:
    greedy_model, x = forest(1000, 10)  # one row's matrices: 1001 x 1001 x 10 x 8 bytes = 80 MB
    honest_model = skops.io.dumps(RandomForestRegressor(3, max_depth=4).fit(*load_diabetes(return_X_y=True)))
    supervisor = narrow_service.stack.pids["supervisor"]
    greedy = narrow_service.submit(greedy_model, npy(x[:20]), interactions=True)
    honest = [narrow_service.submit(honest_model, npy(load_diabetes().data)) for _ in range(3)]
    job = narrow_service.ended(greedy)
    assert (job["status"], job["error"]["code"]) == ("failed", "memory_cap")
    detail = job["error"]["detail"]
    assert detail["needed_bytes"] > detail["room_bytes"] > 0
    assert detail["room_bytes"] <= 56 * MIB
    for job_id in honest:
        assert narrow_service.ended(job_id)["status"] == "finished"
    assert narrow_service.stack.pids["supervisor"] == supervisor
    kills = narrow_service.http.get("/admin/memory").json()["kills"]
    assert kills["memory_cap"] + kills["memory_watch"] > 0


def test_a_model_that_does_not_fit_ends_its_job_while_loading(narrow_service: Service) -> None:
    x = np.random.default_rng(0).normal(size=(4000, 10))
    large = RandomForestRegressor(150, n_jobs=2, random_state=0).fit(x, np.sin(x @ np.arange(10)))
    job = narrow_service.ended(narrow_service.submit(skops.io.dumps(large), npy(x[:5])))
    assert job["status"] == "failed"
    assert job["error"]["code"] in {"memory_cap", "memory_watch"}, "whichever of the two layers saw it first"
    assert job["error"]["detail"]["at"] == "loading the model"
