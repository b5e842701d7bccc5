"""What a seed gives: always the same, some of everything, and files that are read as far as they go."""

import gzip
import itertools
import json
import random

import numpy as np
import pytest
import xgboost

from api import openapi
from api.app import OPERATIONS
from fuzz import files, packing, thrift, ubjson
from fuzz.inputs import KINDS, inputs
from fuzz.samples import Sample, Samples
from fuzz.tables import Table, as_json
from fuzz.workbooks import workbook
from shaptrees.readers import ubjson as reader

ROWS = [[0.5, -1.0, 2.0, 3.0]] * 3
CSV = b"a,b,c,d\n0.5,-1.0,2.0,3.0\n0.5,-1.0,2.0,3.0"
TABLES = [Table("csv", CSV), Table("xlsx", workbook([["a", "b", "c", "d"], *ROWS]))]
TREES = {"learner": {"trees": [[1, 2, 3], [0.5, 1.5]], "name": "a", "none": None, "yes": True, "large": 2**40}}
SAMPLES = Samples(
    models=[
        Sample(name=name, format=kind, model=raw, predictions=[1.0], tables=TABLES)
        for name, kind, raw in (
            ("xgboost", "json", as_json(TREES)),
            ("ubjson", "ubjson", ubjson.encode(TREES)),
            ("lightgbm", "lightgbm", b"tree\nversion=v4\nleaf_value=1 2 3\n"),
            ("catboost", "binary", bytes(100)),
        )
    ],
    rows=ROWS,
)
DOCUMENT = openapi.document(OPERATIONS)


def drawn(seed: int, count: int) -> list[tuple[str, bytes]]:
    return [(sent.name, sent.raw) for sent in itertools.islice(inputs(seed, SAMPLES, DOCUMENT), count)]


def test_the_same_seed_gives_the_same_inputs() -> None:
    assert drawn(1, 30) == drawn(1, 30)
    assert drawn(1, 30) != drawn(2, 30)


def test_there_is_some_of_every_kind() -> None:
    kinds = {name.partition(" ")[2] for name, _ in drawn(1, 400)}
    assert kinds == set(KINDS)


def test_every_operation_is_asked() -> None:
    heads = [raw.split(b"\r\n")[0].decode() for name, raw in drawn(1, 5000) if name.endswith("route")]
    for path, methods in DOCUMENT["paths"].items():
        begin = path.split("{")[0]
        for method in methods:
            assert any(head.startswith((f"{method.upper()} {begin}", f"HEAD {begin}")) for head in heads), path


@pytest.mark.parametrize(
    "value", [TREES, [], {}, {"base_weights": [1.5, 1e300]}, [1, -1, 300], "ä", None, [True, None, "x"], -(2**31), 7]
)
def test_what_is_written_as_ubjson_is_read_again(value: object) -> None:
    found = reader.decode(ubjson.encode(value))
    assert json.dumps(found, default=lambda array: array.tolist()) == json.dumps(value)


def test_xgboost_reads_its_models_as_they_are_written() -> None:
    """Else it refuses every damaged one for the same reason, and nothing else is tried."""
    x = np.arange(60.0).reshape(-1, 2) % 7
    rows = xgboost.DMatrix(x, x[:, 0] % 3, feature_types=["q", "c"], enable_categorical=True)
    trained = xgboost.train({"max_depth": 2, "booster": "dart"}, rows, 2)
    document = json.loads(bytes(trained.save_raw("json")))
    found = xgboost.Booster()
    found.load_model(bytearray(ubjson.encode(document)))
    assert json.loads(bytes(found.save_raw("json"))) == document


@pytest.mark.parametrize("kind", ["npy", "csv", "xlsx", "json", "ubjson", "lightgbm", "binary"])
def test_a_damaged_file_is_another_one(kind: str) -> None:
    raw = {
        "npy": SAMPLES.npy,
        **{table.format: table.raw for table in TABLES},
        **{sample.format: sample.model for sample in SAMPLES.models},
    }[kind]
    found = [files.damaged(random.Random(number), kind, raw) for number in range(40)]
    assert len(set(found)) > 25
    assert sum(one == raw for one in found) < 5


def test_some_damage_is_far_behind_the_first_bytes() -> None:
    """Nearly all heads of arrays are readable, so that the numbers behind them are read."""
    read = 0
    for number in range(60):
        raw = files.numpy_array(random.Random(number), SAMPLES.npy)
        read += raw[:8] == b"\x93NUMPY\x01\x00" and np.dtype("<f8").str.encode() in raw[:100]
    assert read > 30


def test_numbers_of_thrift_are_found_and_written() -> None:
    """A structure with a number, a list of two, text, and a structure of one number, as Parquet's metadata has them."""
    text = b"\x18\x05abcde"
    raw = b"\x15\x80\x02" + b"\x19\x25\x02\x04" + text + b"\x1c\x16\x08\x00" + b"\x00" + b"rest"
    found, end = thrift.places(raw, 0)
    assert raw[end:] == b"rest"
    assert [(place.number, place.depth) for place in found] == [(256, 1), (2, 1), (4, 1), (5, 1), (8, 2)]
    assert all(thrift.varint(place.number) == raw[place.start : place.end] for place in found)
    assert thrift.varint(5, 3) == b"\x85\x80\x00"
    assert [thrift.zigzag(number) for number in (0, -1, 1, -2)] == [0, 1, 2, 3]


def test_what_is_packed_is_what_it_was_and_what_is_damaged_mostly_not() -> None:
    whole = {packing.packed(random.Random(number), CSV) for number in range(40)}
    assert {name for name, _ in whole} == set(packing.ENCODINGS)
    assert all(gzip.decompress(found) == CSV for name, found in whole if name == packing.GZIP)
    found = [packing.damaged(random.Random(number), CSV) for number in range(60)]
    assert max(len(body) for _, body in found) < 10 * 1024 * 1024
    assert sum(entry in whole for entry in found) < 10
