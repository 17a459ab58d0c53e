"""The API's description, OpenAPI 3.1, made from the same table that requests are answered from."""

from __future__ import annotations

import re
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from daemon.api.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel

    from daemon.api.routes import Route

REF = "#/components/schemas/{model}"

PROBLEM = {
    "type": "object",
    "description": "Problem details, RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
    },
}

ANY_REQUEST = (400, 421, 429)
"""Refusals that every request may meet."""
WITH_TOKEN = (401, 403, 503)
WITH_BODY = (408, 413, 415)


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the description of an API with these routes."""
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "heard",
            "version": version("heard"),
            "description": "What heard hears and knows. Times are ISO 8601 in UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "From `heard token add`; by default programs on this machine need none.",
                }
            },
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.removeprefix("/api/v1").split("/")[1]],
        "parameters": [*_in_path(route), *_in_query(route, schemas)],
        "responses": _responses(route, schemas),
        # An empty requirement says that it also goes without.
        "security": [{}] if route.scope is None else [{"token": []}, {}],
    }
    if route.scope is not None:
        operation["description"] = f"Needs a token with the scope `{route.scope.word}`."
    if route.body is not None:
        content = {route.body_media: {"schema": _schema(route.body, schemas)}}
        operation["requestBody"] = {"required": True, "content": content}
    elif route.body_schema is not None:
        content = {route.body_media: {"schema": dict(route.body_schema)}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _in_path(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {
                "type": "string",
                **({"pattern": f"^{route.patterns[name]}$"} if name in route.patterns else {"minLength": 1}),
            },
        }
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _in_query(route: Route, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = _inline(route.query, schemas)
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _given(each)}
        for name, each in schema["properties"].items()
    ]


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that is there: a query cannot say null."""
    choices = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(choices) == 1:
        rest = {key: value for key, value in schema.items() if key not in {"anyOf", "default"}}
        return {**rest, **choices[0]}
    return schema


def _responses(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    content: dict[str, Any] = {}
    if route.returns is not None:
        content["application/json"] = {"schema": _schema(route.returns, schemas)}
    content |= {media: {"schema": _raw(media)} for media in route.media if media != "application/json"}
    if content:
        done["content"] = content
    refused = {*ANY_REQUEST, *route.fails, *({404} if "{" in route.path else ())}
    refused |= set(WITH_TOKEN) if route.scope is not None else set()
    refused |= set(WITH_BODY) if route.body is not None or route.body_schema is not None else set()
    refused |= {422} if route.query or route.body or route.body_schema or route.method != "GET" else set()
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    return {
        str(route.status): done,
        **{str(code): {"description": HTTPStatus(code).phrase, **problem} for code in sorted(refused)},
    }


def _raw(media: str) -> dict[str, Any]:
    return {"type": "string"} if media.startswith("text/") else {}


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to a type's schema, which goes to the others; of what is no model, the schema."""
    schema = TypeAdapter(kind).json_schema(ref_template=REF, mode=_mode(kind))
    name = getattr(kind, "__name__", "")
    if schema.get("type") != "object" or "properties" not in schema or "title" not in schema:
        _add(schema.pop("$defs", {}), schemas)
        return schema
    _add({**schema.pop("$defs", {}), name: schema}, schemas)
    return {"$ref": REF.format(model=name)}


def _inline(model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=REF)
    _add(schema.pop("$defs", {}), schemas)
    return schema


def _add(new: Mapping[str, Any], schemas: dict[str, Any]) -> None:
    for name, schema in new.items():
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"two schemas are called {name}: rename one of the types")


def _mode(kind: Any) -> Any:
    # What is answered has all its fields; what is asked may leave those with a default out.
    return "validation" if getattr(kind, "model_config", {}).get("extra") == "forbid" else "serialization"
