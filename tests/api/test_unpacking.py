"""Compressed parts and bodies: what comes out, in small pieces, and what is refused by name."""

import gzip
import json
import os
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api import unpacking
from api.unpacking import by_content, by_name
from jobs import keys
from jobs.errors import BadCompression, UnsupportedMediaType
from jobs.protocol import PIECE_BYTES
from tests.api.conftest import CSV, MakeClient, files
from tests.api.player import read_input
from tests.api.test_analyze import JSON_BODY

CONTENT = b"a,b\n" + b"1.25,-3\n" * 100_000 + os.urandom(1000)


def compressed(encoding: str, content: bytes = CONTENT) -> bytes:
    return gzip.compress(content) if encoding == "gzip" else pytest.importorskip("backports.zstd").compress(content)


def unpack(raw: bytes, cut: int = 65536) -> bytes:
    unpacker = by_content(raw[: unpacking.MAGIC_BYTES], "data")
    pieces = [piece for start in range(0, len(raw), cut) for piece in unpacker.feed(raw[start : start + cut])]
    unpacker.close()
    assert max(map(len, pieces), default=0) <= max(PIECE_BYTES, cut)
    return b"".join(pieces)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [7, 65536])
def test_what_comes_out(encoding: str, cut: int) -> None:
    raw = compressed(encoding)
    assert unpack(raw, cut) == CONTENT
    assert unpack(raw + raw, cut) == 2 * CONTENT
    assert unpack(gzip.compress(CONTENT) + bytes(100)) == CONTENT


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_is_refused(encoding: str) -> None:
    raw = compressed(encoding)
    for bad in (raw[:-1], raw[:20], raw + b"x", raw[:10] + b"\xff" * 20 + raw[30:]):
        with pytest.raises(BadCompression):
            unpack(bad)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_many_small_pieces_are_refused_and_large_ones_are_not(encoding: str) -> None:
    """To begin one takes as long as to read thousands of bytes: a megabyte of empty ones took two seconds."""
    with pytest.raises(BadCompression, match="too many small pieces"):
        unpack(compressed(encoding, b"") * 3_000)
    piece = os.urandom(2_000)
    assert unpack(compressed(encoding, piece) * 3_000) == piece * 3_000


def test_a_window_that_takes_too_much_memory() -> None:
    zstd = pytest.importorskip("backports.zstd")
    options = {zstd.CompressionParameter.window_log: unpacking.LARGEST_WINDOW + 1}
    content = os.urandom(2**20)
    stream = zstd.ZstdCompressor(options=options)
    with pytest.raises(BadCompression, match="memory"):
        unpack(stream.compress(content) + stream.flush())


def test_other_encodings_and_zstd_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedMediaType, match="br"):
        by_name("br", "body")
    monkeypatch.setattr(unpacking, "_zstd", lambda: None)
    with pytest.raises(UnsupportedMediaType, match=r"shap-supervisor\[zstd\]"):
        by_content(unpacking.ZSTD, "data")


@given(st.binary(max_size=100), st.sampled_from([b"", unpacking.GZIP, unpacking.ZSTD]))
def test_any_bytes(raw: bytes, begin: bytes) -> None:
    with suppress(BadCompression, UnsupportedMediaType):
        unpack(begin + raw, 5)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_parts_and_bodies(client: TestClient, valkey_url: str, encoding: str) -> None:
    part = client.post("/analyze", files=files(data=("d", compressed(encoding, CSV)))).json()["job_id"]
    assert read_input(valkey_url, part, "data") == CSV
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    body = client.post("/analyze", content=compressed(encoding, json.dumps(JSON_BODY).encode()), headers=headers)
    assert json.loads(read_input(valkey_url, body.json()["job_id"], "data")) == JSON_BODY["data"]


def test_a_bomb_ends_with_its_number(make_client: MakeClient, keyspace: Any) -> None:
    client = make_client(max_upload_mb=1)
    rows = b"a,b\n" + b"1,2\n" * 600_000
    form = b'--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n' + rows
    headers = {"Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=b"}
    for response in (
        client.post("/analyze", files=files(data=("d", gzip.compress(rows)))),
        client.post("/analyze", content=gzip.compress(form), headers=headers),
    ):
        problem = response.json()
        assert (problem["code"], problem["data"]["limit_bytes"]) == ("too_large", 1024 * 1024)
    assert not list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*"))
