"""What the routes say of themselves in the OpenAPI document; bodies are parsed by our own strict parser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "error"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "error": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object"}},
        "model_id": {"type": "string"},
        "retry_after": {"type": "integer"},
    },
}
_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
TOO_MANY = {
    **_PROBLEM,
    "description": "Too many requests of this key or address; a problem (RFC 9457)",
    "headers": {
        "Retry-After": {"description": "Seconds", "schema": {"type": "integer"}},
        "RateLimit": {"description": "What is left, and for how long", "schema": {"type": "string"}},
        "RateLimit-Policy": {"description": "How many in how many seconds", "schema": {"type": "string"}},
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Same key and request: the first answer again.",
    "schema": {"type": "string", "maxLength": 200},
}
_PREFER = {"name": "Prefer", "in": "header", "description": "respond-async", "schema": {"type": "string"}}
_VERSION = {"name": "version", "in": "query", "description": "As v1.0", "schema": {"type": "string"}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: _PROBLEM for status in statuses}


def command_docs(
    operation_id: str,
    summary: str,
    form: type[BaseModel] | None,
    *,
    version: bool = False,
    parameters: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Keyword arguments for a route of a JSON command."""
    extra: dict[str, Any] = {"parameters": [_KEY, _PREFER, *([_VERSION] if version else []), *parameters]}
    if form is not None:
        schema = form.model_json_schema(ref_template="#/components/schemas/{model}")
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {
        "operation_id": operation_id,
        "summary": summary,
        "openapi_extra": extra,
        "responses": problems(400, 404, 409, 413, 415, 422, 503),
    }


def upload_docs() -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    checksum = {
        "name": "X-File-Checksum",
        "in": "header",
        "description": "sha256:<hex>; a mismatch is refused",
        "schema": {"type": "string"},
    }
    filename = {"name": "X-File-Name", "in": "header", "schema": {"type": "string"}}
    content = {
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": binary}, "required": ["file"]}},
        "application/octet-stream": {"schema": binary},
    }
    return {
        "operation_id": "upload_file",
        "summary": "Upload the file of a version; it is immutable",
        "openapi_extra": {
            "parameters": [_KEY, _PREFER, _VERSION, checksum, filename],
            "requestBody": {"required": True, "content": content},
        },
        "responses": problems(400, 404, 409, 413, 415, 422, 503, 507),
    }
