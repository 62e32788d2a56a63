"""The event schemas, served read-only as the Confluent Schema Registry does, so that its clients can decode topics."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from tensorfleet.domain.errors import InvalidCommand, Malformed, RegistryError, SchemaNotFound
from tensorfleet.events.catalogue import Catalogue, LockedSchema
from tensorfleet.events.topics import Topics
from tensorfleet.http.conditional import FOR_EVER, REVALIDATE, conditional_json
from tensorfleet.http.openapi.operations import problems
from tensorfleet.http.problems import problem_members, problem_response
from tensorfleet.http.query_parameters import Parameter, QueryParameters

MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"
NEWEST: Final = ("latest", "-1")

# Confluent's clients send these of their own accord. None of them changes what a registry answers that has
# only Avro, no deleted subjects, and one page.
ACCEPTED: Final = tuple(
    Parameter(name, "Accepted from Confluent's clients; changes nothing.")
    for name in (
        *("subject", "subjectPrefix", "format", "reference_format", "fetchMaxId", "normalize", "verbose"),
        *("deleted", "deleted_only", "deletedOnly", "deletedAsNegative", "defaultToGlobal", "offset", "limit"),
    )
)


def schema_routes(catalogue: Catalogue, topics: Topics) -> APIRouter:
    router = APIRouter(tags=["schemas"], responses=problems(400, 404, 422))

    def answered(request: Request, make: Any, cache_control: str = REVALIDATE) -> Response:
        try:
            QueryParameters.of(request, ACCEPTED)
            return conditional_json(request, make(), media_type=MEDIA_TYPE, cache_control=cache_control)
        except RegistryError as error:
            return _problem(error)

    @router.get("/schemas/types", operation_id="list_schema_types", summary="The kinds of schema")
    async def types(request: Request) -> Response:
        return answered(request, lambda: ["AVRO"])

    @router.get("/schemas/ids/{schema_id}", operation_id="get_schema", summary="A schema by its id")
    async def by_id(request: Request, schema_id: str) -> Response:
        return answered(request, lambda: {"schema": _by_id(catalogue, schema_id).text}, FOR_EVER)

    @router.get("/subjects", operation_id="list_subjects", summary="Subjects, one for each topic")
    async def subjects(request: Request) -> Response:
        return answered(request, lambda: sorted(topics.subjects))

    @router.get("/subjects/{subject}/versions", operation_id="list_schema_versions", summary="A subject's versions")
    async def versions(request: Request, subject: str) -> Response:
        return answered(request, lambda: [one.version for one in _of_subject(catalogue, topics, subject)])

    @router.get(
        "/subjects/{subject}/versions/{version}",
        operation_id="get_schema_version",
        summary="One version of a subject's schema, or the latest",
    )
    async def one_version(request: Request, subject: str, version: str) -> Response:
        def make() -> dict[str, Any]:
            found = _version(_of_subject(catalogue, topics, subject), version)
            return {"subject": subject, "version": found.version, "id": found.id, "schema": found.text}

        return answered(request, make)

    @router.get("/config", operation_id="get_schema_config", summary="The compatibility that schemas keep")
    async def config(request: Request) -> Response:
        return answered(request, lambda: {"compatibilityLevel": "FULL_TRANSITIVE"})

    @router.get("/mode", operation_id="get_schema_mode", summary="Schemas can't be registered here")
    async def mode(request: Request) -> Response:
        return answered(request, lambda: {"mode": "READONLY"})

    return router


def _by_id(catalogue: Catalogue, text: str) -> LockedSchema:
    found = catalogue.by_id.get(_number(text))
    if found is None:
        raise SchemaNotFound(40403, f"There is no schema {text}.")
    return found


def _of_subject(catalogue: Catalogue, topics: Topics, subject: str) -> list[LockedSchema]:
    record = topics.subjects.get(subject)
    if record is None:
        raise SchemaNotFound(40401, f"There is no subject {subject!r}.")
    return catalogue.versions(record)


def _version(versions: list[LockedSchema], text: str) -> LockedSchema:
    if text in NEWEST:
        return versions[-1]
    number = _number(text)
    for one in versions:
        if one.version == number:
            return one
    raise SchemaNotFound(40402, f"There is no version {text}.")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise Malformed(f"{text!r} is not a number.")
    return int(text)


def _problem(error: RegistryError) -> Response:
    """The usual problem, with the two members that Confluent's clients read."""
    members = problem_members(error)
    given = error.error_code if isinstance(error, SchemaNotFound) else None
    fallback = 42202 if isinstance(error, InvalidCommand) else members["status"] * 100
    return problem_response({**members, "error_code": given or fallback, "message": members["detail"]})
