"""The description of the HTTP API in the words of OpenAPI 3.1, made of the table of operations and its shapes."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from audiobatchd import __version__
from audiobatchd.control.operations import JSON, OPERATIONS, Operation

_REFUSED = {
    "400": "what is asked cannot be",
    "403": "the asker may only read",
    "404": "what is named is not there",
    "408": "the request came too slowly",
    "413": "the body is larger than 64 KiB",
    "503": "too much is asked at once",
}


class Refusal(msgspec.Struct):
    """The reason why a request was not carried out."""

    error: str


def description() -> dict[str, Any]:
    """Describe all operations."""
    shapes: list[Any] = []
    for each in OPERATIONS:
        shapes += [each.told] * (each.media == JSON) + [each.asked] * (each.method == "POST")
    _, schemas = msgspec.json.schema_components([*shapes, Refusal], ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "audiobatchd",
            "version": __version__,
            "description": "The control socket: HTTP/1.1 on a unix socket.",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _described(operation: Operation[Any, Any]) -> dict[str, Any]:
    schema = _schema(operation.told) if operation.media == JSON else {"type": "string"}
    refusal = {JSON: {"schema": _schema(Refusal)}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}{re.sub('[/.-]', '_', operation.path)}",
        "responses": {
            "200": {"description": operation.summary, "content": {operation.media: {"schema": schema}}},
            **{status: {"description": why, "content": refusal} for status, why in _REFUSED.items()},
        },
    }
    if operation.method == "POST":
        content = {JSON: {"schema": _schema(operation.asked)}}
        described["requestBody"] = {"required": True, "content": content}
    elif fields := msgspec.structs.fields(operation.asked):
        described["parameters"] = [_parameter(field) for field in fields]
    return described


def _parameter(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    return {
        "name": field.encode_name,
        "in": "query",
        "required": field.required,
        "schema": _schema(field.type),
        "explode": True,
    }


def _schema(kind: object) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template="#/components/schemas/{name}")
    return schema
