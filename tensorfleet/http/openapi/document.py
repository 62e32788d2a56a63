"""Completes the OpenAPI document: what holds for every call is said here once, so that no route has to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from tensorfleet.http.openapi.access import declare_access
from tensorfleet.http.openapi.examples import ANSWERS, PARAMETERS, REQUESTS
from tensorfleet.http.openapi.operations import PROBLEM_SCHEMA, problems

_METHODS: Final = ("get", "head", "put", "post", "patch", "delete")
_JSON: Final = "application/json"
_OF_EVERY_CALL: Final = (408, 431, 500)
"""The server gives the first two before it knows which call it is: a head that is too slow, or too large."""
_IN_PATH: Final = re.compile(r"{(\w+)}")
_TAGS: Final = {
    "commands": "Changes. An answer means that the change is in the log.",
    "models": "Reading models and their versions.",
    "files": "Downloading files.",
    "history": "What happened, to one model or to all: who, when, what changed, and whether the log agrees.",
    "statistics": "Figures about the whole registry.",
    "events": "The public feed of events, for replay and live.",
    "schemas": "The schemas of the topics, as the Confluent Schema Registry serves them; read-only.",
    "access": "API keys, and who was refused.",
    "operation": "Health and metrics.",
}


def complete_document(app: FastAPI, *, guarded: bool, limited: bool) -> None:
    """From now on `app.openapi()` gives the completed document. `guarded`: calls take a key; `limited`: not at will."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            _complete(document)
            declare_access(document, guarded=guarded, limited=limited)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
    used = {tag for _, operation in _operations(document) for tag in operation.get("tags", ())}
    document["tags"] = [{"name": one, "description": _TAGS[one]} for one in _TAGS if one in used]
    for path, operation in _operations(document):
        document["components"]["schemas"].update(_parts_of_body(operation))
        _declare_path_parameters(path, operation)
        _declare_answers(operation)
        _show_examples(operation)


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield path, methods[method]


def _parts_of_body(operation: dict[str, Any]) -> dict[str, Any]:
    """The schemas that the body's schema brings along and refers to as components."""
    body = operation.get("requestBody", {}).get("content", {}).get(_JSON, {}).get("schema", {})
    parts: dict[str, Any] = body.pop("$defs", {})
    return parts


def _declare_path_parameters(path: str, operation: dict[str, Any]) -> None:
    """FastAPI knows only those that a function takes as arguments."""
    parameters = operation.setdefault("parameters", [])
    declared = {one["name"] for one in parameters if one["in"] == "path"}
    missing = [name for name in _IN_PATH.findall(path) if name not in declared]
    parameters[:0] = [{"name": one, "in": "path", "required": True, "schema": {"type": "string"}} for one in missing]


def _declare_answers(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status, response in responses.items():
        content = response.get("content", {})
        if not status.startswith("2") or _JSON not in content or content[_JSON]["schema"]:
            continue
        if len(content) > 1:
            del content[_JSON]  # FastAPI's guess, beside what the route says itself
        elif "schemas" not in operation.get("tags", ()):
            content[_JSON]["schema"] = {"type": "object", "additionalProperties": True}
    if any(one["name"] == "If-None-Match" for one in operation["parameters"]):
        responses.setdefault("304", {"description": "Unchanged"})
        responses["200"]["headers"] = {"ETag": {"description": "For If-None-Match", "schema": {"type": "string"}}}
    responses.update({str(status): one for status, one in problems(*_OF_EVERY_CALL).items()})


def _show_examples(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    if name in REQUESTS:
        operation["requestBody"]["content"][_JSON]["example"] = REQUESTS[name]
    if name in ANSWERS:
        success = next(one for status, one in operation["responses"].items() if status.startswith("2"))
        next(iter(success["content"].values()))["example"] = ANSWERS[name]
    for one in operation["parameters"]:
        if one["name"] in PARAMETERS and "example" not in one:
            one["example"] = PARAMETERS[one["name"]]
