"""CSV that a spreadsheet opens: names are text there, whatever they begin with. Formats as answers: `test_results`."""

import csv
import io
import json
import struct

import pytest

from api.result_table import Table
from api.result_writers import CsvWriter, JsonWriter, harmless

FORMULAS = ["=1+1", "+1+1", "-1+1|cmd", "@SUM(A1)", "\tx", "\rx", "\nx", "=HYPERLINK(1,2)", "\uff1d1+1", "-", "+-1"]
TEXT = ["age", "'quoted", "a=b", "", " =1", "é"]
NUMBERS = ["-1", "+1", "-1.5", "-.5", "+1e9", "-2E-3", "0", "12."]


@pytest.mark.parametrize("name", FORMULAS)
def test_what_would_be_run_is_text(name):
    assert harmless(name) == f"'{name}"


@pytest.mark.parametrize("name", [*TEXT, *NUMBERS])
def test_the_rest_stays_and_numbers_stay_numbers(name):
    assert harmless(name) == name


@pytest.mark.parametrize("interactions", [False, True])
def test_names_are_harmless_wherever_they_stand(interactions):
    table = Table(
        job_id="j",
        explainer="tree",
        engine="e",
        features=["=a", "b"],
        outputs=["@x", "-1"],
        base_values=[0.0, 0.0],
        interactions=interactions,
        row_shape=(2, 2, 2) if interactions else (2, 2),
        first=0,
        last=0,
    )
    writer = CsvWriter(table)
    lines = table.lines_per_row * table.line_values
    text = writer.begin() + writer.write(struct.pack(f"<{lines}d", *[-1.5] * lines)) + writer.end()
    rows = list(csv.reader(io.StringIO(text.decode())))
    names = ["'=a", "b"]
    assert rows[0] == ["row", "output", *(["feature"] if interactions else []), *names]
    assert [row[1] for row in rows[1:3]] == ["'@x", "-1"]
    assert {cell for row in rows[1:] for cell in row[-2:]} == {"-1.5"}
    assert not interactions or [row[2] for row in rows[1:]] == ["'=a", "'=a", "b", "b"]


def test_the_largest_of_a_row_have_names_in_json_and_csv():
    table = Table(
        job_id="j",
        explainer="tree",
        engine="e",
        features=["feature_1", "value_1", "rest"],
        outputs=["x", "y"],
        base_values=[0.0, 0.0],
        interactions=False,
        row_shape=(3, 2),
        first=0,
        last=0,
        named=["a", '=b,"'],
        places=1,
    )
    batch = struct.pack("<6d", 1, 0, -0.5, 2, 0.25, 0)
    as_json, as_csv = JsonWriter(table), CsvWriter(table)
    document = json.loads(as_json.begin() + as_json.write(batch) + as_json.end())
    assert document["values"] == [[['=b,"', "a"], [-0.5, 2.0], [0.25, 0.0]]]
    rows = list(csv.reader(io.StringIO((as_csv.begin() + as_csv.write(batch)).decode())))
    assert rows == [
        ["row", "output", "feature_1", "value_1", "rest"],
        ["0", "x", "'=b,\"", "-0.5", "0.25"],
        ["0", "y", "a", "2.0", "0.0"],
    ]
