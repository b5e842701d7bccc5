"""Bad input, end to end: a problem with a code at the door, or the job's named end. Never a 500, never a traceback."""

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression

from tests.service.conftest import Service, csv, npy

X, Y = load_diabetes(return_X_y=True)
COLUMNS = load_diabetes().feature_names
FRAME = pd.DataFrame(X, columns=COLUMNS)
FOREST = skops.io.dumps(RandomForestRegressor(3, max_depth=3).fit(FRAME, Y))
LINEAR = skops.io.dumps(LinearRegression().fit(X, Y))
XGB = bytes(xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, Y).get_booster().save_raw("json"))
GOOD = csv(COLUMNS, X[:5])
CELLS = [",".join(map(repr, map(float, row))) for row in X[:5]]
HEADER = ",".join(COLUMNS)


def lines(*rows: str) -> bytes:
    return "\n".join([HEADER, *rows]).encode()


def with_cell(value: str) -> bytes:
    """Row 3, column 'bp' holds this."""
    row = CELLS[3].split(",")
    row[COLUMNS.index("bp")] = value
    return lines(*CELLS[:3], ",".join(row), CELLS[4])


def pickled(_: Any = None) -> bytes:
    import pickle

    return pickle.dumps({})


AT_THE_DOOR = {
    "empty_body": {"data": b"", "model": FOREST},
    "malformed_json": {"data": b'{"columns": ["a"], "data": [[1]', "model": FOREST},
    "bad_npy": {"data": b"\x93NUMPY\x01\x00\x10\x00{'descr': 'x'}  \n", "model": FOREST},
    "pickle_refused": {"data": GOOD, "model": pickled()},
    "unsupported_media_type": {"data": b"PAR1" + bytes(100), "model": FOREST},
    "model_choice": {"data": GOOD},
    "missing_part": {"model": FOREST},
}


@pytest.mark.parametrize("code", AT_THE_DOOR)
def test_refused_at_the_door(service: Service, code: str) -> None:
    answer = service.http.post("/analyze", files=AT_THE_DOOR[code])
    assert answer.json()["code"] == code, answer.text
    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "Traceback" not in answer.text


def test_an_unknown_model_and_two_models_are_refused(service: Service) -> None:
    unknown = service.http.post("/analyze", files={"data": GOOD}, data={"model_id": "nobody.joblib"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_model")
    both = service.http.post("/analyze", files={"data": GOOD, "model": FOREST}, data={"model_id": "a"})
    assert (both.status_code, both.json()["code"]) == (400, "model_choice")


IN_THE_JOB: dict[str, tuple[str, bytes, bytes, bytes | None, dict[str, Any], dict[str, Any]]] = {
    # name: (code, model, data, background, options, what the detail must say)
    "garbled model": ("unreadable_model", FOREST[:2000], GOOD, None, {}, {"format": "skops"}),
    "truncated xgboost": ("unreadable_model", XGB[:500], GOOD, None, {}, {"format": "xgboost-json"}),
    "missing column": ("feature_names", FOREST, csv(COLUMNS[1:], X[:5, 1:]), None, {}, {"missing": "age"}),
    "unknown column": (
        "feature_names",
        FOREST,
        csv([*COLUMNS, "id"], np.c_[X, Y][:5]),
        None,
        {"unknown_columns": "refuse"},
        {"unknown": "id"},
    ),
    "no header": ("no_header", FOREST, "\n".join(CELLS).encode(), None, {}, {"field": "data"}),
    "count": ("feature_count", LINEAR, npy(X[:5, :4]), npy(X[:9]), {}, {"found": 4, "expected": 10}),
    "text cell": ("not_numeric", FOREST, with_cell("high"), None, {}, {"row": 3, "column": "bp"}),
    "ragged": ("ragged_row", FOREST, lines(CELLS[0], CELLS[1] + ",7"), None, {}, {"row": 1, "found": 11}),
    "no rows": ("no_rows", FOREST, HEADER.encode(), None, {}, {"field": "data"}),
    "infinite": ("infinite_value", FOREST, with_cell("inf"), None, {}, {"row": 3, "column": "bp"}),
    "missing value": ("missing_value", LINEAR, with_cell(""), npy(X[:9]), {}, {"row": 3, "column": "bp"}),
    "no background": ("background_required", LINEAR, GOOD, None, {}, {"explainer": "linear"}),
    "combination": ("unsupported_combination", LINEAR, GOOD, npy(X[:9]), {"interactions": True}, {}),
    "explainer": ("unsupported_combination", FOREST, GOOD, npy(X[:9]), {"explainer": "linear"}, {}),
}


@pytest.mark.parametrize("name", IN_THE_JOB)
def test_a_job_ends_with_the_name_of_what_is_wrong(service: Service, name: str) -> None:
    code, model, data, background, options, detail = IN_THE_JOB[name]
    job_id = service.submit(model, data, background, **options)
    job = service.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", code), job["error"]
    assert {key: job["error"]["detail"][key] for key in detail} == detail
    assert len(job["attempt_log"]) == 1, "what cannot get better is not tried again"
    assert "Traceback" not in json.dumps(job)
    refused = service.http.get(f"/jobs/{job_id}/result")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_result")


def test_missing_values_are_passed_on_where_the_model_takes_them(service: Service) -> None:
    model = skops.io.dumps(HistGradientBoostingRegressor(max_iter=5).fit(X, Y))
    for value in ("", "NaN", "null"):
        job = service.ended(service.submit(model, with_cell(value)))
        assert job["status"] == "finished", job["error"]


def test_a_model_by_name_from_the_operators_directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    import joblib

    from tests.service.conftest import running

    directory = tmp_path_factory.mktemp("models")
    joblib.dump(RandomForestRegressor(3, max_depth=3).fit(X, Y), directory / "forest.joblib")
    for service in running({"TRUSTED_MODEL_DIR": str(directory), "WORKER_SLOTS": "1"}):
        answer = service.http.post(
            "/analyze", files={"data": npy(X[:5])}, data={"model_id": "forest.joblib"}, headers={"Prefer": "wait=30"}
        )
        assert answer.status_code == 200, answer.text
        assert np.asarray(answer.json()["values"]).shape == (5, 10)
        outside = service.http.post("/analyze", files={"data": npy(X[:5])}, data={"model_id": "../forest.joblib"})
        assert outside.status_code in (400, 404)


def test_values_that_do_not_add_up_fail_the_job_unless_they_are_wanted_anyway(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A model whose own prediction is not the sum of its trees: an estimator tampered with after fitting."""
    import joblib

    from tests.service.conftest import running

    forest = RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, Y)
    forest.predict = Tampered(forest.estimators_)
    directory = tmp_path_factory.mktemp("models")
    buffer = io.BytesIO()
    joblib.dump(forest, buffer)
    (directory / "tampered.joblib").write_bytes(buffer.getvalue())
    for service in running({"TRUSTED_MODEL_DIR": str(directory), "WORKER_SLOTS": "1"}):
        for check, status in ((True, "failed"), (False, "finished")):
            answer = service.http.post(
                "/analyze",
                files={"data": npy(X[:5]), "background": npy(X[:9])},
                data={
                    "model_id": "tampered.joblib",
                    "options": json.dumps({"check_additivity": check, "explainer": "permutation"}),
                },
            )
            job = service.ended(answer.json()["job_id"])
            assert job["status"] == status, job["error"]
            if check:
                assert job["error"]["code"] == "additivity"
            else:
                summary = service.http.get(f"/jobs/{job['job_id']}/summary").json()
                assert not summary["additivity"]["ok"]
        answer = service.http.post("/analyze", files={"data": npy(X[:5])}, data={"model_id": "tampered.joblib"})
        job = service.ended(answer.json()["job_id"])
        assert job["error"]["code"] == "conversion", "its trees are not what it predicts"


class Tampered:
    """A `predict` that is off by one more every time that it is asked."""

    def __init__(self, trees: Any) -> None:
        self.trees = trees
        self.asked = 0

    def __call__(self, rows: Any) -> Any:
        self.asked += 1
        return np.mean([tree.predict(rows) for tree in self.trees], axis=0) + self.asked
