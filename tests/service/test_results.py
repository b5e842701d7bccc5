"""Over HTTP: less than everything, and what there is to see of a job that keeps no rows."""

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from tests.service.conftest import Service, npy

RNG = np.random.default_rng(3)
FRAME = pd.DataFrame(RNG.normal(size=(60, 4)), columns=list("abcd"))
MODEL = bytes(
    xgboost.train({"nthread": 1, "max_depth": 3}, xgboost.DMatrix(FRAME, FRAME.a * FRAME.c + FRAME.d), 9).save_raw()
)
DATA = FRAME.assign(town=["Ulm", "Bonn"] * 30).to_csv(index=False).encode()


def finished(service: Service, batch_size: int = 7, **options: Any) -> str:
    job_id = service.submit(MODEL, DATA, batch_size=batch_size, **options)
    assert service.ended(job_id)["status"] == "finished"
    return job_id


def test_the_largest_of_each_row_as_people_read_them(service: Service) -> None:
    whole, job_id = service.values(finished(service)), finished(service, top_k=1, id_column="town")
    stored, names = service.values(job_id), np.array(list("abcd"))
    best = np.abs(whole).argmax(axis=1)
    assert stored[:, 0].tolist() == best.tolist()
    np.testing.assert_allclose(stored[:, 1:].sum(axis=1), whole.sum(axis=1), rtol=0, atol=1e-12)
    found = service.http.get(f"/jobs/{job_id}/result?rows=5-8").json()
    assert (found["features"], found["shape"]) == (["feature_1", "value_1", "rest"], [4, 3])
    assert [row[0] for row in found["values"]] == names[best[5:9]].tolist()
    text = service.http.get(f"/jobs/{job_id}/result", headers={"Accept": "text/csv"}).text
    table = pd.read_csv(io.StringIO(text))
    assert table.feature_1.tolist() == names[best].tolist()
    assert table.town.tolist() == ["Ulm", "Bonn"] * 30
    sample = service.http.get(f"/jobs/{job_id}/sample").json()
    assert len(sample["values"][0]) == 4, "the sample has all features"


def test_groups_and_columns(service: Service) -> None:
    whole = service.values(finished(service))
    job_id = finished(service, groups={"ac": ["a", "c"]}, columns=["d", "ac"])
    right = np.stack([whole[:, 3], whole[:, 0] + whole[:, 2]], axis=1)
    np.testing.assert_allclose(service.values(job_id), right, rtol=0, atol=1e-12)
    assert service.http.get(f"/jobs/{job_id}/result").json()["features"] == ["d", "ac"]
    assert service.http.get(f"/jobs/{job_id}/summary").json()["features"] == ["ac", "b", "d"]
    assert service.http.get(f"/jobs/{job_id}/plots/waterfall").status_code == 200


def test_no_rows_and_cohorts(service: Service) -> None:
    whole = service.values(finished(service))
    files = {"model": MODEL, "data": DATA}
    options = json.dumps({"reduce": "summary", "by": "town", "batch_size": 7})
    answer = service.http.post("/analyze", files=files, data={"options": options}, headers={"Prefer": "wait=30"})
    summary = answer.json()
    path = answer.headers["Location"]
    assert (answer.status_code, summary["status"]) == (200, "finished")
    np.testing.assert_allclose(summary["mean_shap"], whole.mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(summary["quantiles"]["values"][2], np.median(whole, axis=0), rtol=0, atol=1e-12)
    ulm = summary["cohorts"]["cohorts"][1]
    assert (ulm["value"], ulm["rows"]) == ("Ulm", 30)
    np.testing.assert_allclose(ulm["mean_abs_shap"], np.abs(whole[::2]).mean(axis=0), rtol=0, atol=1e-12)
    assert service.http.get(f"{path}/result").json()["code"] == "no_result"
    assert "Submit it again without it" in service.http.get(f"{path}/sample").json()["detail"]
    assert service.http.get(f"{path}/plots/bar").status_code == 200
    assert service.http.get(f"/job_status/{summary['job_id']}").json()["result"]["links"] == {}


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"top_k": 3, "columns": ["a"]}, "invalid_options", "top_k"),
        ({"columns": ["town"]}, "bad_result_option", "columns"),
        ({"by": "b"}, "bad_cohorts", "data"),
    ],
)
def test_what_does_not_fit_is_named(service: Service, options: dict[str, Any], code: str, field: str) -> None:
    files, headers = {"model": MODEL, "data": DATA}, {"Prefer": "wait=30"}
    answer = service.http.post("/analyze", files=files, data={"options": json.dumps(options)}, headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]["field"]) == (422, code, field)


def test_a_summary_of_data_without_names_in_few_chunks(service: Service) -> None:
    """18,000 rows would be 36 chunks of 500, and each has a record that stays."""
    model = bytes(xgboost.train({"nthread": 1}, xgboost.DMatrix(FRAME.to_numpy(), FRAME.d), 3).save_raw())
    rows = np.tile(FRAME.to_numpy(), (300, 1))
    job_id = service.submit(model, npy(rows), reduce="summary", groups={"g": ["f1", "f2"]})
    job = service.ended(job_id)
    assert (job["status"], job["rows"]) == ("finished", 18_000)
    assert job["chunks"] < 30
    assert service.http.get(f"/jobs/{job_id}/summary").json()["features"] == ["f0", "g", "f3"]
