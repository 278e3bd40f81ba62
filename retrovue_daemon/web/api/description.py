"""The OpenAPI description of the API, made from the declarations of its operations."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from retrovue_daemon.web.api.addresses import ADDRESSES, PREFIX
from retrovue_daemon.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.web.api.operations import Operation

ADDRESS: Final = f"{PREFIX}/openapi.json"
FILE: Final = files("retrovue_daemon.web.api") / "openapi.json"

_TEMPLATE: Final = "#/components/schemas/{name}"
_INTRODUCTION: Final = (
    "The mirror as JSON. The names are those of `retrovue-daemon … --json`; times are Unix seconds. Members may be"
    " added; programs ignore those that they do not know. Errors are problem documents (RFC 9457)."
)


async def show(_request: web.Request) -> web.Response:
    """Send the file that describes the API."""
    return web.Response(body=_stored(), content_type="application/json")


@cache
def _stored() -> bytes:
    return FILE.read_bytes()


def description() -> dict[str, Any]:
    """Return the description of all operations."""
    types = list(dict.fromkeys([Problem, *_types()]))
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    schema_of = dict(zip(types, schemas, strict=True))
    parameters = {kind for operation in _operations() for kind in (operation.path, operation.query) if kind}
    paths = {
        PREFIX + address.path: {
            method: _operation(operation, method, schema_of, components)
            for method, operation in address.operations.items()
        }
        for address in ADDRESSES
    }
    shown = {name: each for name, each in components.items() if name not in {kind.__name__ for kind in parameters}}
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "retrovue-daemon", "version": "1", "description": _INTRODUCTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(shown.items())),
            "responses": {
                "Problem": {
                    "description": "The request was refused, or failed.",
                    "content": {"application/problem+json": {"schema": schema_of[Problem]}},
                }
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    # The structs of the package have a suffix that says nothing here.
    text = re.sub(r'(#/components/schemas/\w+?|"\w+?)Json"', r'\1"', json.dumps(whole))
    named: dict[str, Any] = json.loads(text)
    return named


def written() -> str:
    """Return the description as the file has it."""
    return json.dumps(description(), indent=2, ensure_ascii=False) + "\n"


def _operations() -> Iterator[Operation]:
    for address in ADDRESSES:
        yield from address.operations.values()


def _types() -> Iterator[Any]:
    for each in _operations():
        yield from (kind for kind in (each.path, each.query, each.body, each.answers) if kind is not None)


def _operation(
    operation: Operation, method: str, schema_of: dict[Any, Any], components: dict[str, Any]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        # Programs of this machine may read without the token, unless the daemon listens on a network.
        "security": ([{}] if method == "get" else []) + [{"token": []}],
    }
    parameters = [
        _parameter(name, schema, place)
        for place, kind in (("path", operation.path), ("query", operation.query))
        if kind is not None
        for name, schema in components[kind.__name__]["properties"].items()
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": schema_of[operation.body]}}
        described["requestBody"] = {"required": True, "content": content}
    answer: dict[str, Any] = {"description": "Done." if operation.answers is None else "The answer."}
    if operation.answers is not None:
        answer["content"] = {operation.media_type: {"schema": schema_of[operation.answers]}}
    described["responses"] = {
        str(operation.status): answer,
        "default": {"$ref": "#/components/responses/Problem"},
    }
    return described


def _parameter(name: str, schema: dict[str, Any], place: str) -> dict[str, Any]:
    own = {key: value for key, value in schema.items() if key != "description"}
    parameter = {"name": name, "in": place, "required": place == "path", "schema": own}
    return parameter | ({"description": schema["description"]} if "description" in schema else {})


if __name__ == "__main__":
    print(written(), end="")  # noqa: T201 -- for `make docs`
