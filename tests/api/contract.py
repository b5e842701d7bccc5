"""Holds every answer of the app against its own /openapi.json: status, media type, and members, none missing or new."""

import copy
import json
import re
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx2
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from api import events, openapi
from api.app import OPERATIONS

Document = dict[str, Any]


@cache
def document() -> Document:
    return openapi.document(OPERATIONS)


class CheckedClient(TestClient):
    """A test client whose every answer keeps the contract; `seen` are the operations and statuses that it has had."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.seen: set[tuple[str, str]] = set()

    def request(self, method: str, url: Any, **more: Any) -> Any:
        response = super().request(method, url, **more)
        if seen := check(response):
            self.seen.add(seen)
        return response


def check(response: httpx2.Response) -> tuple[str, str] | None:
    """The operation and the status that the document knows; None for what is no operation."""
    method = response.request.method.lower()
    found = _operation("get" if method == "head" else method, response.request.url.path)
    status = str(response.status_code)
    if response.request.method == "OPTIONS" and response.status_code == HTTPStatus.OK:  # a preflight is for browsers
        return None
    if found is None:
        _check_content(document()["paths"]["/"]["get"]["responses"]["default"], response)
        return None
    name = status if status in found["responses"] else "default"
    assert name != "default" or response.status_code >= HTTPStatus.BAD_REQUEST, f"{found['operationId']}: {status}"
    answer = found["responses"][name]
    assert set(map(str.lower, answer.get("headers", {}))) <= set(response.headers), response.headers
    if method != "head":
        _check_content(answer, response)
    return found["operationId"], name


def _operation(method: str, path: str) -> Document | None:
    for template, methods in document()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method in methods:
            found: Document = methods[method]
            return found
    return None


def _check_content(answer: Document, response: httpx2.Response) -> None:
    if "content" not in answer:
        assert response.content == b""
        return
    media_type = response.headers["content-type"].split(";")[0]
    assert media_type in answer["content"], f"{media_type} is none of {list(answer['content'])}"
    validator = _validator(media_type, str(answer["content"][media_type]["schema"]))
    if media_type.endswith("json"):
        validator.validate(response.json())
    elif media_type == events.MEDIA_TYPE:
        for event in _events(response.text):
            validator.validate(event)
            _validator(media_type, str({"$ref": "#/components/schemas/JobStatus"})).validate(json.loads(event["data"]))


def _events(text: str) -> list[dict[str, str]]:
    """The fields of each; comments keep proxies awake."""
    blocks = [[line for line in block.splitlines() if line[0] != ":"] for block in text.split("\n\n")]
    return [dict(line.split(": ", 1) for line in block) for block in blocks if block]


@cache
def _validator(media_type: str, schema: str) -> Draft202012Validator:
    """Members that are not written down are faults too."""
    components = copy.deepcopy(document()["components"])
    for found in components["schemas"].values():
        if "properties" in found:
            found.setdefault("additionalProperties", False)
    whole = {**eval(schema), "components": components}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
