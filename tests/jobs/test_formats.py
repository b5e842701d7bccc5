"""Formats are known by content."""

import pytest

from jobs.formats import (
    DATA_FORMATS,
    MODEL_FORMATS,
    PLAIN_FORMATS,
    DataFormat,
    ModelFormat,
    are_json_lines,
    sniff_data,
    sniff_model,
)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"\x93NUMPY\x01\x00", DataFormat.NPY),
        (b"a,b\n1,2\n", DataFormat.CSV),
        (b"\xef\xbb\xbfa,b\n1,2\n", DataFormat.CSV),
        (b' \n{"columns": []}', DataFormat.JSON),
        (b"[[1, 2]]", DataFormat.JSON),
    ],
)
def test_data(head: bytes, found: DataFormat) -> None:
    assert sniff_data(head) is found


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (b'{"a": 1}\n{"a": 2}\n', True),
        (b'\xef\xbb\xbf {"a": 1} \r\n {"a"', True),
        (b"[1, 2]\n[3, 4]\n", True),
        (b"[1, 2]\n{", False),
        (b"[1, 2]\n", False),
        (b'{"columns": ["a"],\n"data": []}', False),
        (b"[\n[1, 2]]", False),
        (b"1\n1\n", False),
    ],
)
def test_a_record_on_each_line(head: bytes, lines: bool) -> None:
    assert are_json_lines(head) is lines


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"\xd0\xcf\x11\xe0", "old Excel"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"%PDF-1.7", "PDF"),
        (b"Obj\x01", "Avro"),
        (b"\xfe\xff\0a", "UTF-16"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x80\x04\x95", "pickle"),
        (b"\xff\xfea\0", "UTF-16"),
        (b"\x01\x00\x02", "binary"),
    ],
)
def test_data_that_is_something_else_is_named(head: bytes, words: str) -> None:
    found = sniff_data(head)
    assert not isinstance(found, DataFormat)
    assert words in found


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b'{"learner": {}}', ModelFormat.XGBOOST_JSON),
        (b"{L\x00\x00", ModelFormat.XGBOOST_UBJ),
        (b"{i\x07learner", ModelFormat.XGBOOST_UBJ),
        (b"tree\nversion=v4\n", ModelFormat.LIGHTGBM_TEXT),
        (b"CBM1\x10\x00", ModelFormat.CATBOOST),
        (b"PK\x03\x04", ModelFormat.SKOPS),
        (b"\x80\x04\x95", ModelFormat.PICKLE),
        (b"\x78\x9c\x00", ModelFormat.PICKLE),
    ],
)
def test_models(head: bytes, found: ModelFormat) -> None:
    assert sniff_model(head) is found


def test_a_model_that_is_something_else_is_named() -> None:
    assert "unknown" in sniff_model(b"hello")
    assert "HDF5" in sniff_model(b"\x89HDF\r\n")


def test_messages_list_every_table_format() -> None:
    assert DATA_FORMATS == "Arrow, Arrow stream, CSV with a header, Excel, JSON, NPY, Parquet, V2 tensors"
    expected = ["npy", "tensors", "json", "parquet", "arrow", "arrow-stream", "xlsx", "csv"]
    assert [str(found) for found in DataFormat] == expected


def test_who_misses_an_extra_is_offered_what_needs_none() -> None:
    assert PLAIN_FORMATS == "CSV with a header, JSON, NPY, V2 tensors"
    assert "save the sheet as CSV" in DataFormat.XLSX.missing
    assert "save the table as CSV" in DataFormat.PARQUET.missing


def test_tables_whose_library_comes_with_an_extra() -> None:
    assert sniff_data(b"PAR1\0\0") is DataFormat.PARQUET
    assert sniff_data(b"ARROW1\0\0") is DataFormat.ARROW
    assert sniff_data(b"\xff\xff\xff\xff\x10\x01") is DataFormat.ARROW_STREAM
    assert sniff_data(b"PK\x03\x04" + bytes(26) + b"xl/workbook.xml") is DataFormat.XLSX
    assert "[tables]" in DataFormat.PARQUET.missing


def test_a_table_is_not_taken_for_what_stands_inside_it() -> None:
    assert sniff_data(b"") is DataFormat.CSV
    assert sniff_data(b"{") is DataFormat.JSON
    assert sniff_data(b"a,{b}\n") is DataFormat.CSV
    assert "binary" in sniff_data(b"a,b\n\x00")


def test_all_models_but_pickles_are_named_to_those_who_ask() -> None:
    told = MODEL_FORMATS.split(", ")
    assert set(told) == {found.label for found in ModelFormat} - {ModelFormat.PICKLE.label}
