"""What a part's first bytes give away, however they are cut."""

import io
import pickle
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import npy
from api.sniffing import DataSniffer, ModelSniffer, Sniffer
from jobs.errors import (
    BadNpy,
    EmptyPart,
    MalformedJson,
    NoRows,
    PickleRefused,
    Problem,
    UnsupportedMediaType,
)
from jobs.protocol import PIECE_BYTES


def npy_bytes(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


def see(head: Sniffer, content: bytes, cut: int = 0) -> None:
    for piece in [content[at : at + cut] for at in range(0, len(content), cut)] if cut else [content]:
        head.feed(piece)
    head.close()


GOOD_DATA = [
    b"a,b\n1,2\n",
    b"\xef\xbb\xbfa,b\r\n1,2\r\n",
    b'"1","b"\n1,2\n',
    b"only",
    b'{"columns":["a"],"data":[[1]]}',
    b'[{"a": NaN}]',
    npy_bytes(np.zeros((2, 3))),
    npy_bytes(np.zeros((2, 3), np.int8), (2, 0)),
    npy_bytes(np.zeros((2, 3), ">f4")),
    npy_bytes(np.zeros((2, 1))).replace(b"False", b"True "),
    npy_bytes(np.zeros((2, 3), bool)),
    npy_bytes(np.zeros((2, 3), order="F")),
    b"1,2\n3,4\n",
]
BAD_DATA = [
    (b"", EmptyPart),
    (b" \n\n ", EmptyPart),
    (b"PAR1....", UnsupportedMediaType),
    (b"PK\x03\x04....", UnsupportedMediaType),
    (b"\x80\x04....", UnsupportedMediaType),
    (b"a\x00b", UnsupportedMediaType),
    (b'{"columns": [', MalformedJson),
    (b"[" * 100_000, MalformedJson),
    (b'{"a": 1} x', MalformedJson),
    (b"\x93NUMPY", BadNpy),
    (b"\x93NUMPY\x09\x00v\x00{}", BadNpy),
    (b"\x93NUMPY\x01\x00\x00\x00", BadNpy),
    (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'", BadNpy),
    (b"\x93NUMPY\x01\x00\x02\x00()", BadNpy),
    (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 70_000, BadNpy),
    (npy_bytes(np.zeros(6)), BadNpy),
    (npy_bytes(np.zeros((2, 3, 4))), BadNpy),
    (npy_bytes(np.zeros((2, 0))), BadNpy),
    (npy_bytes(np.zeros((0, 2))), NoRows),
    (npy_bytes(np.zeros((2, 3), "U5")), BadNpy),
    (npy_bytes(np.zeros((2, 3), complex)), BadNpy),
    (npy_bytes(np.zeros((2, 3), np.longdouble)), BadNpy),
    (npy_bytes(np.zeros((2, 3), [("x", "f8")])), BadNpy),
    (npy_bytes(np.array([[{}, 1]], object)), BadNpy),
    (npy_bytes(np.zeros((2, 3)))[:-1], BadNpy),
]


@pytest.mark.parametrize("cut", [0, 1, 7])
@pytest.mark.parametrize("content", GOOD_DATA)
def test_good_data(content: bytes, cut: int) -> None:
    see(DataSniffer("data"), content, cut)


@pytest.mark.parametrize("cut", [0, 1, 4096])
@pytest.mark.parametrize(("content", "problem"), BAD_DATA)
def test_bad_data(content: bytes, problem: type[Problem], cut: int) -> None:
    with pytest.raises(problem) as caught:
        see(DataSniffer("data"), content, cut)
    assert caught.value.detail["field"] == "data"


def test_large_json_is_left_to_the_child() -> None:
    see(DataSniffer("data"), b"[" + b"1," * PIECE_BYTES, 65536)


def test_refused_as_soon_as_the_first_bytes_are_there() -> None:
    head = DataSniffer("data")
    with pytest.raises(UnsupportedMediaType):
        head.feed(b"PAR1" + b"x" * 5000)


GOOD_MODELS = [b'{"learner": {}}', b"{L\x00\x00", b"tree\nversion=v4\n", b"CBM1\x10\x00", b"PK\x03\x04skops"]
BAD_MODELS = [
    (b"", EmptyPart),
    (pickle.dumps({}), PickleRefused),
    (b"\x78\x9cjoblib", PickleRefused),
    (b"\x1f\x8bgzip", PickleRefused),
    (b"PAR1", UnsupportedMediaType),
    (b"<html>", UnsupportedMediaType),
]


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize("content", GOOD_MODELS)
def test_good_models(content: bytes, cut: int) -> None:
    see(ModelSniffer("model"), content, cut)


@pytest.mark.parametrize("cut", [0, 1])
@pytest.mark.parametrize(("content", "problem"), BAD_MODELS)
def test_bad_models(content: bytes, problem: type[Problem], cut: int) -> None:
    with pytest.raises(problem):
        see(ModelSniffer("model"), content, cut)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"{", b"[", b"1,"]))
def test_any_bytes_give_a_problem_or_nothing(content: bytes, begin: bytes) -> None:
    for head in (DataSniffer("data"), ModelSniffer("model")):
        with suppress(Problem):
            see(head, begin + content, 16)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
def test_numpy_reads_the_header_that_we_write(shape: list[int]) -> None:
    header = npy.write_header(shape)
    assert len(header) % 64 == 0
    file = io.BytesIO(header)
    assert np.lib.format.read_magic(file) == (1, 0)
    assert np.lib.format.read_array_header_1_0(file) == (tuple(shape), False, np.dtype("<f8"))
