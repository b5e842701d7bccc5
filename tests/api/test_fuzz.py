"""Bad input is never a 500, and never leaves anything behind."""

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from jobs import keys
from tests.api.conftest import CSV, MODEL

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TOKENS = [
    b"--b",
    b"--b--",
    b"\r\n",
    b"\n",
    b"Content-Disposition: form-data; name=",
    b'"data"',
    b'"model"',
    b'"options"',
    b'; filename="x"',
    b"Content-Length: 5",
    b"Content-Type: text/csv",
    b" continued",
    b"\xff",
    CSV,
    MODEL,
    b"{}",
]
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


def check(client: TestClient, keyspace: Any, response: Any) -> None:
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code
        assert "Traceback" not in response.text
    if response.status_code != 202:
        assert list(keyspace.scan_iter(f"{keys.BLOB_PREFIX}*")) == []
    keyspace.flushall()


@FUZZ
@given(tokens=st.lists(st.sampled_from(TOKENS), max_size=25))
def test_multipart_bodies(client: TestClient, keyspace: Any, tokens: list[bytes]) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    check(client, keyspace, client.post("/analyze", content=b"".join(tokens), headers=headers))


@FUZZ
@given(
    begin=st.sampled_from(["multipart/form-data;", "multipart/form-data; boundary=", "application/json;", ""]),
    rest=PRINTABLE,
    body=st.binary(max_size=100),
)
def test_content_types(client: TestClient, keyspace: Any, begin: str, rest: str, body: bytes) -> None:
    check(client, keyspace, client.post("/analyze", content=body, headers={"content-type": begin + rest}))


@FUZZ
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "model", "model_id", "options", "background", "x"]), inner, max_size=5
            )
        ),
    )
)
def test_json_bodies(client: TestClient, keyspace: Any, body: Any) -> None:
    headers = {"content-type": "application/json"}
    check(client, keyspace, client.post("/analyze", content=json.dumps(body), headers=headers))


@FUZZ
@given(value=PRINTABLE, name=st.sampled_from(["accept", "prefer", "idempotency-key", "authorization", "expect"]))
def test_headers(client: TestClient, keyspace: Any, name: str, value: str) -> None:
    check(client, keyspace, client.post("/analyze", content=b"{}", headers={name: value}))


@FUZZ
@given(path=st.text(st.characters(codec="utf-8", exclude_characters="/?#"), min_size=1, max_size=80), query=PRINTABLE)
def test_paths_and_queries(client: TestClient, keyspace: Any, path: str, query: str) -> None:
    for route in ("/jobs/{}", "/jobs/{}/result", "/jobs/{}/summary", "/job_status/{}"):
        response = client.get(route.format(quote(path)), params={"rows": query, "limit": query})
        check(client, keyspace, response)
    check(client, keyspace, client.get("/jobs", params={"limit": query}))
    check(client, keyspace, client.get("/jobs", params={"offset": query}))
