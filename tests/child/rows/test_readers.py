"""The cutters and readers of data files: any cut gives the whole, and what is wrong is named."""

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from child.parts import Source
from child.rows import arrow_stream, csv_file, json_brackets, json_members
from child.rows.layout import lay_out
from child.rows.readers import READERS, open_table, read_rows
from jobs import errors, planner
from jobs.formats import DataFormat
from jobs.protocol import PIECE_BYTES
from tests.child.support import csv_bytes, halves, json_bytes, npy, records_bytes, tensors

COLUMNS = ["a", "b", "c"]


class Nameless(NamedTuple):
    """A model that knows its features by their places only."""

    n_features: int
    name: str = "Model"
    features: list[str] | None = None
    takes_missing: bool = True


def source(raw: bytes) -> Source:
    return Source(field="data", file=io.BytesIO(raw), size=len(raw))


def read_all(raw: bytes, per_chunk: int = 10**9, halve: bool = False) -> np.ndarray:
    """Every span read for itself; with `halve`, by its two halves, as after a lack of memory."""
    src = source(raw)
    table = open_table(src, per_chunk)
    layout = lay_out(table, Nameless(table.width), "data")
    spans = list(table.spans)
    if halve:
        spans = [half for span in spans for half in halves(span)]
    assert [span.first for span in spans] == [0, *(span.last + 1 for span in spans[:-1])]
    assert spans[-1].last == table.rows - 1
    return np.concatenate([read_rows(src, span, layout) for span in spans])


FORMATS = {
    "npy": npy,
    "npy by column": lambda rows: npy(np.asfortranarray(rows)),
    "csv": lambda rows: csv_bytes(COLUMNS, rows),
    "json": lambda rows: json_bytes(COLUMNS, rows),
    "records": lambda rows: records_bytes(COLUMNS, rows),
    "lists": lambda rows: json.dumps(rows.tolist(), indent=1).encode(),
    "lines": lambda rows: b"\n".join(
        json.dumps(dict(zip(COLUMNS, row, strict=True))).encode() for row in rows.tolist()
    ),
    "lists in lines": lambda rows: b"\r\n".join(json.dumps(row).encode() for row in rows.tolist()),
    "index": lambda rows: json.dumps(pd.DataFrame(rows, columns=COLUMNS).to_dict("index")).encode(),
    "columns": lambda rows: json.dumps(pd.DataFrame(rows, columns=COLUMNS).to_dict()).encode(),
    "tensor": lambda rows: tensors(("rows", rows.tolist())),
    "flat tensor": lambda rows: tensors(("rows", rows.ravel().tolist()), shape=list(rows.shape)),
    "tensors": lambda rows: tensors(*zip(COLUMNS, rows.T.tolist(), strict=True)),
    "lists of columns": lambda rows: json.dumps(pd.DataFrame(rows, columns=COLUMNS).to_dict("list")).encode(),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("per_chunk", [1, 2, 7, 100])
@pytest.mark.parametrize("halve", [False, True])
def test_every_cut_gives_the_whole(name, per_chunk, halve):
    rows = np.random.default_rng(0).normal(size=(23, 3))
    np.testing.assert_array_equal(read_all(FORMATS[name](rows), per_chunk, halve), rows)


@pytest.mark.parametrize("name", ["csv", "json", "records"])
def test_rows_across_pieces(name):
    rows = np.random.default_rng(0).normal(size=(12_000, 3))
    raw = FORMATS[name](rows)
    assert len(raw) > 2 * PIECE_BYTES
    np.testing.assert_array_equal(read_all(raw, 999), rows)


cells = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**9), 10**9).map(str),
    st.sampled_from(["", "nan", "NA", "null", "True", "false", '"1.5"', '"2"', '"\n3"', '"\r\n"', " 4 "]),
)
csv_texts = st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None)
@given(
    csv_texts, st.integers(1, 5), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans(), st.booleans(), st.booleans()
)
def test_any_csv_any_cut(  # noqa: PLR0917
    rows, per_chunk, newline, bom, last_newline, halve
):
    text = newline.join(["a,b", *(",".join(row) for row in rows)]) + (newline if last_newline else "")
    raw = (b"\xef\xbb\xbf" if bom else b"") + text.encode()
    parsed = [row for row in csv.reader(io.StringIO(text, newline="")) if row][1:]
    expected = np.array([[number(cell) for cell in row] for row in parsed])
    np.testing.assert_array_equal(read_all(raw, per_chunk, halve), expected)


def number(cell: str) -> float:
    text = cell.strip().lower()
    return {"": np.nan, "na": np.nan, "null": np.nan, "true": 1.0, "false": 0.0}.get(text) if text in (
        "", "na", "null", "true", "false"
    ) else float(text)  # fmt: skip


scalars = st.one_of(st.floats(allow_infinity=False), st.integers(-(2**60), 2**60), st.none(), st.booleans())
names = st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=2, unique=True)


@settings(max_examples=150, deadline=None)
@given(
    names,
    st.lists(st.lists(scalars, min_size=2, max_size=2), min_size=1, max_size=12),
    st.integers(1, 5),
    st.sampled_from(["split", "reversed", "records", "lists"]),
    st.sampled_from([None, 2]),
    st.booleans(),
)
def test_any_json_any_cut(  # noqa: PLR0917
    columns, rows, per_chunk, shape, indent, halve
):
    shapes = {
        "split": {"columns": columns, "index": [[1], {"data": [2]}], "name": 'x"]', "data": rows},
        "reversed": {"data": rows, "columns": columns},
        "records": [dict(zip(columns, row, strict=True)) for row in rows],
        "lists": rows,
    }
    raw = json.dumps(shapes[shape], indent=indent, ensure_ascii=bool(indent)).encode()
    expected = np.array([[np.nan if cell is None else float(cell) for cell in row] for row in rows])
    np.testing.assert_array_equal(read_all(raw, per_chunk, halve), expected)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"a,b\n1,2\n", b"[[1,2],", b'{"data":[[1],', b"\x93NUMPY\x01\x00"])
)
def test_garbage_is_read_or_refused_but_never_crashes(tail, head):
    with contextlib.suppress(errors.Problem):
        read_all(head + tail + b"\n,")


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 16])
def test_pieces_may_end_anywhere(piece, monkeypatch):
    for module in (csv_file, json_brackets):
        monkeypatch.setattr(module, "PIECE_BYTES", piece)
    text = b'\xef\xbb\xbfa,"b\nx"\r\n1,"2"\r\n\r\n3,"\n4"\r\n\r\n5,6'
    np.testing.assert_array_equal(read_all(text, 2), [[1, 2], [3, 4], [5, 6]])
    text = b'{"columns": ["a]", "b\\"["], "data": [[1, "2"], [3, null]]}'
    np.testing.assert_array_equal(read_all(text, 1), [[1, 2], [3, np.nan]])


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", ">i2", "|u1", "|b1"])
def test_npy_types(dtype):
    rows = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    np.testing.assert_array_equal(read_all(npy(rows), 2), rows.astype(float))


def test_a_big_npy_costs_only_its_header():
    class Counting(io.BytesIO):
        asked = 0

        def read(self, size=-1):
            self.asked += size
            return super().read(size)

    raw = npy(np.zeros((100_000, 4)))
    file = Counting(raw)
    table = open_table(Source(field="data", file=file, size=len(raw)), 500)
    assert (table.rows, len(table.spans)) == (100_000, 200)
    assert file.asked < 10_000


BAD = [
    (b"", errors.NoRows),
    (b"\n\n", errors.NoRows),
    (b"a,b\n", errors.NoRows),
    (b"[]", errors.NoRows),
    (b'{"columns": ["a"], "data": []}', errors.NoRows),
    (npy(np.zeros((0, 3))), errors.NoRows),
    (b"1,2\n3,4\n", errors.NoHeader),
    (b"a,a\n1,2\n", errors.BadHeader),
    (b",a\n0,1\n", errors.BadHeader),
    (b"a,b\r1,2\r3,4", errors.BadHeader),
    (b'{"columns": ["a", ""], "data": [[1, 2]]}', errors.BadHeader),
    (b'{"columns": ["a", [3]], "data": [[1, 2]]}', errors.BadHeader),
    (b"1,,True\n3,4,5\n", errors.NoHeader),
    (b"a,b\n1\n", errors.RaggedRow),
    (b"a,b\n1,2,3\n", errors.RaggedRow),
    (b"[[1, 2], [3]]", errors.RaggedRow),
    (b'{"columns": ["a"], "data": [[1, 2]]}', errors.RaggedRow),
    (b"a,b\n1,red\n", errors.NotNumeric),
    (b"a,b\n1,1_000\n", errors.NotNumeric),
    (b'a,b\n1,"' + b"x" * 200_000 + b'"\n', errors.NotNumeric),
    (b"a,b\n1,[2\n3],4\n", errors.NotNumeric),
    (b'[[1, "red"]]', errors.NotNumeric),
    (b"[[1, [2]]]", errors.NotNumeric),
    (b'[{"a": 1}, {"b": 1}]', errors.BadRecord),
    (b'[{"a": 1}, [1]]', errors.BadRecord),
    (b'[[1], {"a": 1}]', errors.BadRecord),
    (b"[1, 2]", errors.Problem),
    (b"[[1], 2]", errors.NoTable),
    (b'{"rows": [[1]]}', errors.NoTable),
    (b'{"a": [1], "b": {"0": 1}}', errors.NoTable),
    (b'{"a": [1], "b": 2}', errors.NoTable),
    (b'{"a": [1, 2], "b": [1]}', errors.BadRecord),
    (b'{"a": {"x": 1}, "b": {"y": 1}}', errors.BadRecord),
    (b'{"a": ["red"]}', errors.NotNumeric),
    (b'{"0": {"a": 1}, "1": {"b": 1}}', errors.BadRecord),
    (b'{"a": []}', errors.NoRows),
    (b'{"a": 1}\n{"a": 2} x\n', errors.MalformedJson),
    (b'{"a": 1}\n{"b": 2}\n', errors.BadRecord),
    (b'{"inputs": 5}', errors.NoTable),
    (b"[[1] [2]]", errors.MalformedJson),
    (b"[[1],, [2]]", errors.MalformedJson),
    (b"[[1], [2],]", errors.MalformedJson),
    (b"[[1], [2]", errors.MalformedJson),
    (b"[[1], [2]]]", errors.MalformedJson),
    (b"[[1], [2]] x", errors.MalformedJson),
    (b"[[1], [2}]", errors.MalformedJson),
    (b"[[1], [2 3]]", errors.MalformedJson),
    (b'{"data": [[1]], "columns" ["a"]}', errors.MalformedJson),
    (b'{"data": [[1]], "data": [[2]]}', errors.MalformedJson),
    (b"[" * 5_000, errors.MalformedJson),
    (b"a,\xff\n1,2\n", errors.NotUtf8),
    (b"a,b\n1,\xff\n", errors.NotUtf8),
    (b'[["\xff"]]', errors.NotUtf8),
    (b'[[1], ["\xff"]]', errors.NotUtf8),
    (b'{"columns": ["\xff"], "data": [[1]]}', errors.NotUtf8),
    (npy(np.zeros(3)), errors.BadNpy),
    (npy(np.zeros((2, 2, 2))), errors.BadNpy),
    (npy(np.asfortranarray(np.zeros((3, 2))))[:-1], errors.BadNpy),
    (npy(np.zeros((3, 2), complex)), errors.BadNpy),
    (npy(np.zeros((3, 2), object)), errors.BadNpy),
    (npy(np.zeros((3, 2)))[:-1], errors.BadNpy),
    (npy(np.zeros((3, 2)))[:30], errors.BadNpy),
    (b"PAR1....", errors.UnsupportedMediaType),
]


@pytest.mark.parametrize(("raw", "problem"), BAD)
def test_what_is_wrong_is_named(raw, problem):
    with pytest.raises(problem):
        read_all(raw, 2)


def test_rows_or_columns_show_in_the_models_names():
    frame = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "b"], index=["x", "y"])
    for orient in ("index", "columns"):
        src = source(frame.to_json(orient=orient).encode())
        assert open_table(src, 5, ["b", "a"]).columns == ["a", "b"]


def test_rows_or_columns_that_nothing_tells_are_told():
    raw = json.dumps({"0": {"0": 1, "1": 2}, "1": {"0": 3, "1": 4}}).encode()
    assert [said.code for said in open_table(source(raw), 5).warnings] == ["json_columns"]
    assert open_table(source(raw.replace(b'"0": {', b'"x": {')), 5).warnings == []


def test_columns_one_after_the_other_have_a_limit(monkeypatch):
    raw = b'{"a": [1, 2], "b": [3, 4]}'
    monkeypatch.setattr(json_members, "MAX_BYTES", len(raw))
    np.testing.assert_array_equal(read_all(raw, 1), [[1, 3], [2, 4]])
    with pytest.raises(errors.TooLarge, match="records"):
        read_all(raw + b" ")


def test_rows_are_counted_over_the_whole_data():
    rows = [[index, index] for index in range(30)]
    rows[17][1] = "red"
    for raw in (b"a,b\n" + "\n".join(f"{x},{y}" for x, y in rows).encode(), json.dumps(rows).encode()):
        for halve in (False, True):
            with pytest.raises(errors.NotNumeric) as caught:
                read_all(raw, 7, halve)
            assert caught.value.detail["row"] == 17


def test_malformed_json_names_the_byte():
    with pytest.raises(errors.MalformedJson, match="byte 9"):
        read_all(b"[[1, 2], ]")
    with pytest.raises(errors.MalformedJson, match="byte 12"):
        read_all(b"[[1, 2], [3 4]]", 1)


@pytest.mark.parametrize(("raw", "number"), [(b",a\n0,1\n", 1), (b'{"columns": ["a", ""], "data": [[1, 2]]}', 2)])
def test_a_column_without_a_name_is_counted_from_one(raw, number):
    with pytest.raises(errors.BadHeader, match=f"column {number} has no name"):
        read_all(raw)


def test_every_format_has_its_reader():
    assert set(READERS) == set(DataFormat)


def test_too_many_chunks():
    raw = npy(np.zeros((planner.MAX_CHUNKS + 1, 1), np.uint8))
    with pytest.raises(errors.TooManyChunks):
        open_table(source(raw), 1)
    assert len(open_table(source(raw), 2).spans) == planner.MAX_CHUNKS // 2 + 1
    with pytest.raises(errors.TooManyChunks):
        open_table(source(b"a\n" + b"1\n" * (planner.MAX_CHUNKS + 1)), 1)


def test_a_record_batch_that_says_it_has_more_rows_than_anybody_reads():
    """As damaged streams do; what a child says of its rows is bounded, too."""
    kept = Path("tests/fuzz/inputs/a-record-batch-of-too-many-rows.http").read_bytes()
    raw = kept[kept.index(b"\xff" * 4, kept.index(b'name="data"')) :]
    with pytest.raises(ValueError, match="that it has 85899345948 rows"):
        list(arrow_stream._messages(source(raw)))
