"""GET /openapi.json: every route, what it takes and what it answers, as OpenAPI 3.1. Used in the web process.

Built from the rows beside the handlers (see `routes`) and the types that they answer. Does not validate requests.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from api.auth import Realm
from api.problems import PROBLEM
from api.responses import JsonResponse
from api.routes import Answer, Operation, Routes
from jobs.version import VERSION

Schema = dict[str, Any]
routes = Routes(None)
_IN_PATH = re.compile(r"{(\w+)}")
_SCHEMES = {Realm.API: "api", Realm.ADMIN: "admin"}


@routes.get("/openapi.json", "getOpenApi", "This document", Answer("OpenAPI 3.1.", dict[str, Any]), link="openapi")
async def openapi(request: Request) -> Response:
    """The document, which the app makes once."""
    make: Callable[[], Schema] = request.app.state.openapi
    return JsonResponse(make())


def document(operations: Iterable[Operation]) -> Schema:
    """OpenAPI 3.1 of these operations."""
    components = _Components()
    paths: dict[str, Schema] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "shap-supervisor", "version": VERSION, "summary": "SHAP for tabular models as a service."},
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "securitySchemes": {
                scheme: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"{realm.tokens}, where the operator set one",
                }
                for realm, scheme in _SCHEMES.items()
            },
        },
    }


class _Components:
    """The schemas that others name, by their types' names."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def schema(self, kind: Any) -> Schema:
        """Of a type; of a tuple of them, any."""
        if isinstance(kind, tuple):
            return {"anyOf": [self.schema(one) for one in kind]}
        (found,), named = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
        for name, schema in named.items():
            assert self.schemas.setdefault(name, schema) == schema, f"two types are called {name}"
        return found

    def content(self, by_media_type: Any) -> Schema:
        return {media_type: {"schema": self.schema(kind)} for media_type, kind in by_media_type.items()}


def _operation(operation: Operation, components: _Components) -> Schema:
    """Every operation may answer with a problem."""
    answers = {str(answer.status): answer for answer in (*operation.answers, PROBLEM)[::-1]}
    found: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": {status: _answer(answer, components) for status, answer in sorted(answers.items())},
        "security": [{_SCHEMES[operation.realm]: []}] if operation.realm else [],
    }
    if parameters := _parameters(operation, components):
        found["parameters"] = parameters
    if operation.body:
        found["requestBody"] = {"required": True, "content": components.content(operation.body)}
    return found


def _parameters(operation: Operation, components: _Components) -> list[Schema]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": components.schema(str)}
        for name in _IN_PATH.findall(operation.path)
    ]
    others = [
        {
            "name": parameter.name,
            "in": parameter.where,
            "description": parameter.description,
            "schema": components.schema(parameter.schema_type),
        }
        for parameter in operation.parameters
    ]
    return in_path + others


def _answer(answer: Answer, components: _Components) -> Schema:
    found: Schema = {"description": answer.description}
    if answer.by_media_type:
        found["content"] = components.content(answer.by_media_type)
    if answer.headers:
        found["headers"] = {name: {"schema": components.schema(str)} for name in answer.headers}
    return found
