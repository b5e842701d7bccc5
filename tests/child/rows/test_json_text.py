"""JSON text: what has a cause with its byte, whatever layout its table has."""

import pytest

from child.rows import json_text
from jobs.errors import MalformedJson
from tests.child.rows.test_readers import read_all


@pytest.mark.parametrize("read", [json_text.parse, json_text.parse_list])
@pytest.mark.parametrize("text", [rb'["\ud800"]', rb'[{"\uDFFF": 1}]', rb'["\udc00\ud800"]'])
def test_half_of_a_character_is_refused(read, text):
    """No message and no file could hold it."""
    with pytest.raises(MalformedJson, match=r"half of a \\u pair \(byte 7\)"):
        read(text, "data", 7)


@pytest.mark.parametrize("read", [json_text.parse, json_text.parse_list])
def test_a_whole_pair_is_one_character(read):
    assert read(rb'["\ud83d\uDE00", NaN]', "data", 0)[0] == "\U0001f600"


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"columns": ["a", "b"], "data": [[1, "\ud800"]]}',
        rb'[{"a": 1, "\ud800": 2}]',
        rb'[[1, "\ud800"]]',
        rb'{"a": {"0": 1, "\ud800": 2}}',
        rb'{"inputs": [{"name": "a", "datatype": "FP64", "shape": [1], "data": [1.0]}, "\ud800"]}',
        rb'{"inputs": [{"name": "\ud800", "datatype": "FP64", "shape": [1], "data": [1.0]}]}',
    ],
)
def test_half_of_a_character_is_refused_in_every_layout(raw):
    with pytest.raises(MalformedJson):
        read_all(raw)
