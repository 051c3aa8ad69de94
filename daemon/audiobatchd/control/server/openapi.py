"""The description of the HTTP API in the words of OpenAPI 3.1, made of the table of routes and the types behind it."""

from __future__ import annotations

from typing import Any

import msgspec

from audiobatchd import __version__
from audiobatchd.control.server.routes import ROUTES, Route

_REFUSED = {
    "400": "what is asked cannot be",
    "403": "the asker may only read",
    "404": "what is named is not there",
    "408": "the request came too slowly",
    "413": "the body is larger than 64 KiB",
    "503": "too much is asked at once",
}


class Refusal(msgspec.Struct):
    """Why a request was not carried out."""

    error: str


def description() -> dict[str, Any]:
    """The whole description."""
    types = [each for route in ROUTES for each in (route.answer, route.body) if each and not isinstance(each, str)]
    _, schemas = msgspec.json.schema_components([*types, Refusal], ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
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


def _operation(route: Route) -> dict[str, Any]:
    media = route.answer if isinstance(route.answer, str) else "application/json"
    schema = {"type": "string"} if isinstance(route.answer, str) else _schema(route.answer)
    refusal = {"application/json": {"schema": _schema(Refusal)}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{route.path.replace('/', '_').replace('.', '_').replace('-', '_')}",
        "responses": {
            "200": {"description": route.summary, "content": {media: {"schema": schema}}},
            **{status: {"description": why, "content": refusal} for status, why in _REFUSED.items()},
        },
    }
    if route.query is not None:
        operation["parameters"] = [_parameter(field) for field in msgspec.structs.fields(route.query)]
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(route.body)}}}
    return operation


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
