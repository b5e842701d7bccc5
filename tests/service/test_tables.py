"""Over HTTP: one table as people and libraries write it, the same values each time, and each guess told."""

import gzip
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost

from tests.service.conftest import Service, npy

FRAME = pd.DataFrame(
    {
        "age": [79, 63, 54, 37, 40],
        "income": [40913.44, 48117.42, 48566.97, 54867.61, 51931.93],
        "owner": [False, True, True, True, False],
        "score": [1.08, -0.289, 0.083, -0.85, -0.511],
    }
)
RNG = np.random.default_rng(5)
ROWS = pd.DataFrame(
    {
        "age": RNG.integers(20, 90, 300),
        "income": RNG.normal(48_000, 9_000, 300),
        "owner": RNG.random(300) > 0.5,
        "score": RNG.normal(size=300),
    }
)
TARGET = ROWS.age + ROWS.income / 1000 + 5 * ROWS.owner - ROWS.score


def trained(columns: list[str] | None = None) -> xgboost.Booster:
    rows = xgboost.DMatrix(ROWS.to_numpy(float), TARGET, feature_names=columns)
    return xgboost.train({"nthread": 1, "max_depth": 3}, rows, 20)


NAMED, NAMELESS = trained(list(FRAME)), trained()
RIGHT = NAMED.predict(xgboost.DMatrix(FRAME.astype(float)), pred_contribs=True)


def text(**options: Any) -> str:
    return str(FRAME.to_csv(index=False, **options))


def with_columns(**more: list[Any]) -> str:
    return str(FRAME.assign(**more).to_csv(index=False))


SAME: dict[str, tuple[str | bytes, set[str]]] = {
    # what it is: (the file, the codes of its warnings)
    "plain": (text(), set()),
    "a byte order mark": (text().encode("utf-8-sig"), set()),
    "semicolons": (text(sep=";"), {"csv_dialect"}),
    "tabs": (text(sep="\t"), {"csv_dialect"}),
    "bars": (text(sep="|"), {"csv_dialect"}),
    "a decimal comma": (text(sep=";", decimal=","), {"csv_dialect"}),
    "a decimal comma and tabs, quoted": (text(sep="\t", decimal=",", quoting=1), {"csv_dialect"}),
    "a comment": ("# exported; by 'us'\n#\n" + text(), {"comment_lines"}),
    "Excel's hint": ("sep=;\n" + text(sep=";"), {"comment_lines", "csv_dialect"}),
    "a commented header": ("# " + text().replace("True", "1").replace("False", "0"), {"commented_header"}),
    "columns that are no features": (with_columns(customer=list("abcde"), target=[1] * 5), {"columns_ignored"}),
    "an index": (str(FRAME.to_csv()), {"columns_ignored"}),
    "blanks around names": (text(header=[" age", "income\t", "\u00a0owner", "score "]), {"names_folded"}),
    **{
        f"orient={orient}": (FRAME.to_json(orient=orient), set()) for orient in ("split", "records", "index", "columns")
    },  # type: ignore[call-overload]
    "orient=table": (FRAME.to_json(orient="table"), {"columns_ignored"}),
    "orient=values": (FRAME.to_json(orient="values"), set()),
    "orient=index, by text": (FRAME.set_axis(list("vwxyz")).to_json(orient="index"), set()),
    "orient=columns, by text": (FRAME.set_axis(list("vwxyz")).to_json(), set()),
    "a list for each column": (json.dumps(FRAME.to_dict("list")), set()),
    "JSON lines": (FRAME.to_json(orient="records", lines=True), set()),
    "lists in lines": ("\n".join(map(json.dumps, FRAME.astype(float).to_numpy().tolist())), set()),
    "instances": (json.dumps({"instances": FRAME.to_numpy(float).tolist()}), set()),
    "dataframe_split": (json.dumps({"dataframe_split": FRAME.to_dict("split")}), set()),
    "dataframe_records": (json.dumps({"dataframe_records": FRAME.to_dict("records")}), set()),
    "inputs": (json.dumps({"inputs": FRAME.to_dict("list")}), set()),
    "another order": (str(FRAME[["score", "owner", "age", "income"]].to_csv(index=False)), set()),
    "column by column": (npy(FRAME.to_numpy(float)), set()),
    "gzip": (gzip.compress(text().encode()), set()),
    "row by row": (npy(np.ascontiguousarray(FRAME.to_numpy(float))), set()),
}


def explain(service: Service, data: str | bytes, model: xgboost.Booster = NAMED, **options: Any) -> Any:
    files = {"model": bytes(model.save_raw("json")), "data": data}
    headers = {"Prefer": "wait=50", "Accept": "application/x-npy"}
    return service.http.post("/analyze", files=files, data={"options": json.dumps(options)}, headers=headers)


def warned(service: Service, answer: Any) -> dict[str, str]:
    job = service.job(answer.headers["Location"].removeprefix("/jobs/"))
    return {found["code"]: found["message"] for found in job["warnings"]}


def values(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content))


@pytest.mark.parametrize("name", SAME)
def test_the_same_table(service: Service, name: str) -> None:
    """In chunks of two rows."""
    data, codes = SAME[name]
    answer = explain(service, data, batch_size=2)
    np.testing.assert_allclose(values(answer), RIGHT[:, :-1], rtol=1e-5, atol=1e-5)
    assert set(warned(service, answer)) == codes


REFUSED = {
    # what it is: (the file, the code, the way out)
    "no header": (text(header=False), "no_header", "column names"),
    "thousands": (text().replace("40913.44", '"40,913.44"'), "not_numeric", "thousands"),
    "a decimal comma among commas": (text().replace("40913.44", '"40913,44"'), "not_numeric", "decimal"),
    "a point among decimal commas": (
        text(sep=";", decimal=",") + "1;2.5;True;0,5\n",
        "not_numeric",
        "decimals have commas",
    ),
    "carriage returns": (text().replace("\n", "\r"), "bad_header", "carriage return"),
    "a column twice": (text(header=["age", "age", "owner", "score"]), "bad_header", "more than one column"),
    "one row": (npy(FRAME.to_numpy(float)[0]), "bad_npy", "reshape"),
    "records": (npy(FRAME.to_records(index=False)), "bad_npy", "structured_to_unstructured"),
    "UTF-16": (text().encode("utf-16"), "unsupported_media_type", "UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_way_out(service: Service, name: str) -> None:
    data, code, way_out = REFUSED[name]
    problem = explain(service, data).json()
    assert (problem["code"], way_out in problem["detail"]) == (code, True), problem


@pytest.mark.parametrize("indent", [None, 2])
def test_a_single_record_is_one_row(service: Service, indent: int | None) -> None:
    record = json.loads(FRAME.to_json(orient="records"))[1]
    answer = explain(service, json.dumps({**record, "customer": "a"}, indent=indent))
    np.testing.assert_allclose(values(answer), RIGHT[1:2, :-1], rtol=1e-5, atol=1e-5)
    assert set(warned(service, answer)) == {"columns_ignored"}


def test_unknown_columns_are_named_or_refused(service: Service) -> None:
    data = with_columns(customer=list("abcde"), target=[1] * 5)
    said = warned(service, explain(service, data))["columns_ignored"]
    assert "customer" in said
    assert "target" in said
    refused = explain(service, data, unknown_columns="refuse").json()
    assert (refused["code"], "customer, target" in refused["detail"]) == ("feature_names", True), refused


@pytest.mark.parametrize(("header", "code"), [(range(4), None), (["1.5", "2", "3", "4"], "no_header")])
def test_numbers_for_names_are_judged_by_the_model(service: Service, header: Any, code: str | None) -> None:
    """A model without names: 0, 1, 2, ... is what pandas calls columns without names, any other numbers are a row."""
    answer = explain(service, text(header=list(map(str, header))), NAMELESS)
    if code:
        assert answer.json()["code"] == code
    else:
        np.testing.assert_allclose(values(answer), RIGHT[:, :-1], rtol=1e-5, atol=1e-5)
    by_year = trained(["2019", "2020", "2021", "2022"])
    answer = explain(service, text(header=["2019.0", " 2020", "2021", "2022"]), by_year)
    np.testing.assert_allclose(values(answer), RIGHT[:, :-1], rtol=1e-5, atol=1e-5)


def test_names_come_back_as_they_were_sent(service: Service) -> None:
    sent = [" age", "income\t", "\u00a0owner", "score"]
    answer = explain(service, text(header=sent))
    result = service.http.get(f"{answer.headers['Location']}/result").json()
    assert result["features"] == sent


def test_ids_go_through_to_every_result(service: Service) -> None:
    """To the letter, in chunks of two rows; no feature, and no column that is unknown."""
    ids = ["007", "a,b", "=1+1", "", "0.50"]
    data = str(FRAME.assign(id=ids).to_csv(index=False))
    answer = explain(service, data, id_column="id", batch_size=2)
    np.testing.assert_allclose(values(answer), RIGHT[:, :-1], rtol=1e-5, atol=1e-5)
    assert warned(service, answer) == {}
    job, where = answer.headers["Location"], f"{answer.headers['Location']}/result"
    found = service.http.get(where).json()
    assert found["ids"] == ["007", "a,b", "=1+1", None, "0.50"]
    link = service.http.get(where, headers={"Accept": "application/x-npy"}).headers["Link"]
    assert link.startswith(f"<{job}/ids>")
    alone = service.http.get(f"{job}/ids").json()
    assert alone == {"job_id": found["job_id"], "id_column": "id", "rows": [0, 4], "ids": found["ids"]}
    assert service.http.get(f"{job}/ids?rows=1-3").json()["ids"] == found["ids"][1:4]
    assert found["shape"] == [5, 4]
    assert service.http.get(f"{where}?rows=1-3").json()["ids"] == ["a,b", "=1+1", None]
    table = pd.read_csv(io.StringIO(service.http.get(where, headers={"Accept": "text/csv"}).text), dtype={"id": str})
    assert list(table.columns) == ["row", "id", *FRAME]
    assert table.id.fillna("").tolist() == ["007", "a,b", "'=1+1", "", "0.50"]
    np.testing.assert_allclose(table[list(FRAME)], RIGHT[:, :-1], rtol=1e-5, atol=1e-5)


def test_ids_of_json_and_of_matrices(service: Service) -> None:
    data = FRAME.assign(key=[5, 6, 7, 8, 9]).to_json(orient="records")
    answer = explain(service, data, NAMELESS, id_column="key", interactions=True)
    where = f"{answer.headers['Location']}/result"
    assert service.http.get(where).json()["ids"] == [5, 6, 7, 8, 9]
    table = pd.read_csv(io.StringIO(service.http.get(where, headers={"Accept": "text/csv"}).text))
    assert table.key.tolist() == [key for key in (5, 6, 7, 8, 9) for _ in FRAME]


def test_a_job_without_ids_says_so(service: Service) -> None:
    answer = explain(service, text())
    assert "Link" not in answer.headers
    problem = service.http.get(f"{answer.headers['Location']}/ids")
    assert (problem.status_code, problem.json()["code"]) == (404, "no_ids")


def test_an_id_column_that_is_not_there(service: Service) -> None:
    for data in (text(), npy(FRAME.to_numpy(float))):
        problem = explain(service, data, id_column="id").json()
        assert (problem["code"], problem["data"]["column"]) == ("bad_id_column", "id"), problem
