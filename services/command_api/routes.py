"""The command routes: HTTP in, one operation, HTTP out."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.command_api import forms as f
from services.command_api.batches import Outcome, result_members, run_batch
from services.command_api.bus import Caller
from services.command_api.operations import Answer, Operations
from services.command_api.submission import CommandKey
from tensorfleet.access.denials import Reason
from tensorfleet.access.principal import EVERYONE
from tensorfleet.domain.errors import Forbidden, InvalidCommand, ModelNotFound, RegistryError, UploadNotFound
from tensorfleet.domain.events import Status
from tensorfleet.events.envelope import Position
from tensorfleet.http.access.guard import note_denial, principal_of
from tensorfleet.http.json import json_response, read_command
from tensorfleet.http.openapi.operations import command_docs
from tensorfleet.http.problems import problem_members, problem_response
from tensorfleet.http.query_parameters import Parameter, QueryParameters

_PREFIX = "/api/v1/models"
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]*)?")
_TRACEPARENT_CHARACTERS: Final = 128
_VERSION = Parameter("version", "As v1.0", {"type": "string"})
_STATUSES = [str(one) for one in Status]
_IF_STATUS = Parameter("if_status", "Only if it has this status", {"type": "string", "enum": _STATUSES})


class ProjectionWait(Protocol):
    """Tells when the read models contain a position of the log."""

    async def wait(self, position: Position, timeout_seconds: float) -> bool:
        """True once they do; False if that took longer than the time-out."""


class CommandHttp:
    """What every command route does around its operation."""

    def __init__(self, operations: Operations, projection: ProjectionWait, projection_wait_seconds: float) -> None:
        self.operations = operations
        self._projection = projection
        self._wait_seconds = projection_wait_seconds

    async def respond(self, request: Request, operation: Awaitable[Answer]) -> Response:
        """The answer with its position, once the read models contain it (unless the client prefers not to wait)."""
        try:
            answer = await operation
        except RegistryError as error:
            self._note_denial(request, error)
            if error.position is None:
                raise
            headers = await self._place(request, [Position.parse(error.position)])
            return problem_response(problem_members(error), headers)
        headers = await self._place(request, [answer.receipt.position])
        if answer.receipt.replayed:
            headers["Idempotency-Replayed"] = "true"
        if answer.status == 201:
            headers["Location"] = answer.location or _location(answer)
        return json_response(answer.members, answer.status, headers)

    @contextmanager
    def noting_denials(self, request: Request) -> Iterator[None]:
        """Around what is not the operation that `respond` awaits."""
        try:
            yield
        except RegistryError as error:
            self._note_denial(request, error)
            raise

    async def respond_batch(self, request: Request, outcomes: list[Outcome]) -> Response:
        for one in outcomes:
            if isinstance(one, RegistryError):
                self._note_denial(request, one)
        done = [one.receipt for one in outcomes if isinstance(one, Answer)]
        refused = [one.position for one in outcomes if isinstance(one, RegistryError) and one.position]
        newest: dict[int, Position] = {}
        for position in [*(one.position for one in done), *map(Position.parse, refused)]:
            newest[position.partition] = max(position, newest.get(position.partition, position))
        headers = await self._place(request, sorted(newest.values()))
        if done and all(one.replayed for one in done):
            headers["Idempotency-Replayed"] = "true"
        results = [result_members(one) for one in outcomes]
        members = {"results": results, "succeeded": len(done), "failed": len(results) - len(done)}
        return json_response(members, 200, headers)

    def _note_denial(self, request: Request, error: RegistryError) -> None:
        if isinstance(error, ModelNotFound) and self.operations.hides(error.model_id, principal_of(request)):
            note_denial(request, Reason.FOREIGN)
        elif isinstance(error, UploadNotFound) and error.of_another:
            note_denial(request, Reason.FOREIGN_UPLOAD)
        elif isinstance(error, Forbidden):
            note_denial(request, Reason.LIMITED)

    async def _place(self, request: Request, positions: Sequence[Position]) -> dict[str, str]:
        projected = all(await asyncio.gather(*(self._projected(request, one) for one in positions)))
        headers = {"X-Registry-Projected": "true" if projected else "false"}
        if positions:
            headers["X-Registry-Position"] = ",".join(map(str, positions))
        return headers

    async def _projected(self, request: Request, position: Position) -> bool:
        prefers = request.headers.get("prefer", "").lower().replace(" ", "").split(",")
        wait = 0.0 if "respond-async" in prefers else self._wait_seconds
        return await self._projection.wait(position, wait)


def caller_of(request: Request, body: bytes) -> Caller:
    """Who asks. An idempotency key of one principal means nothing to another.

    InvalidCommand for an idempotency key that is empty, over 200 characters or not plain ASCII.
    """
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        raise InvalidCommand("Idempotency-Key is given more than once.")
    principal = principal_of(request)
    key = None
    if given:
        if not (0 < len(given[0]) <= 200 and given[0].isascii() and given[0].isprintable()):
            raise InvalidCommand("Idempotency-Key must have 1 to 200 printable ASCII characters.")
        target = f"{request.method} {request.url.path}?{request.url.query}\0".encode("utf-8", "replace")
        spaced = f"{principal.space}\0{given[0]}" if principal.space else given[0]
        key = CommandKey(hashlib.sha256(spaced.encode()).hexdigest()[:32], hashlib.sha256(target + body).digest())
    return Caller(principal.actor, key, _traceparent(request), principal.names, principal is not EVERYONE)


def version_parameter(request: Request) -> str | None:
    """The `version` query parameter; InvalidCommand for any other parameter, Malformed for one that can't be read."""
    return QueryParameters.of(request, [_VERSION]).text("version")


def _if_status(request: Request) -> Status | None:
    given = QueryParameters.of(request, [_IF_STATUS]).choice("if_status", _STATUSES)
    return None if given is None else Status(given)


def no_parameters(request: Request) -> None:
    QueryParameters.of(request, [])


def command_routes(http: CommandHttp) -> APIRouter:
    router = APIRouter(prefix=_PREFIX, tags=["commands"])
    operations = http.operations

    @router.post("", status_code=201, **command_docs("register_model", "Register a model", f.RegisterForm))
    async def register(request: Request) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.RegisterForm)
        return await http.respond(request, operations.register(form, caller_of(request, body)))

    @router.post("/batch", **command_docs("run_batch", "Up to 1000 operations in one request", f.BatchForm))
    async def batch(request: Request) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.BatchForm)
        outcomes = await run_batch(operations, form.operations, caller_of(request, body))
        return await http.respond_batch(request, outcomes)

    async def update(request: Request, model_id: str) -> Response:
        version = version_parameter(request)
        form, body = await read_command(request, f.UpdateForm)
        answer = operations.update(model_id, version, form, caller_of(request, body))
        return await http.respond(request, answer)

    docs = command_docs("replace_model_fields", "Change fields of a model or a version", f.UpdateForm, version=True)
    router.put("/{model_id}", **docs)(update)
    docs = command_docs("update_model", "Change fields of a model or a version", f.UpdateForm, version=True)
    router.patch("/{model_id}", **docs)(update)

    @router.post(
        "/{model_id}/versions", status_code=201, **command_docs("create_version", "Create a version", f.VersionForm)
    )
    async def create_version(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.VersionForm, empty_is=b"{}")
        answer = operations.create_version(model_id, form, caller_of(request, body))
        return await http.respond(request, answer)

    @router.post("/{model_id}/deprecate", **command_docs("deprecate_model", "Deprecate", f.DeprecateForm))
    async def deprecate(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.DeprecateForm, empty_is=b"{}")
        answer = operations.deprecate(model_id, form, caller_of(request, body))
        return await http.respond(request, answer)

    @router.post("/{model_id}/archive", **command_docs("archive_model", "Archive", f.TargetForm))
    async def archive(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.TargetForm, empty_is=b"{}")
        return await http.respond(request, operations.archive(model_id, form, caller_of(request, body)))

    @router.post("/{model_id}/restore", **command_docs("restore_model", "Restore", f.TargetForm))
    async def restore(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.TargetForm, empty_is=b"{}")
        return await http.respond(request, operations.restore(model_id, form, caller_of(request, body)))

    @router.post(
        "/{model_id}/metrics", status_code=201, **command_docs("report_metrics", "Report metrics", f.MetricsForm)
    )
    async def report_metrics(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.MetricsForm)
        answer = operations.report_metrics(model_id, form, caller_of(request, body))
        return await http.respond(request, answer)

    @router.delete(
        "/{model_id}", **command_docs("delete_model", "Delete a model", None, parameters=[_IF_STATUS.documentation])
    )
    async def delete(request: Request, model_id: str) -> Response:
        wanted = _if_status(request)
        _, body = await read_command(request, f.EmptyForm, empty_is=b"{}")
        return await http.respond(request, operations.delete(model_id, caller_of(request, body), wanted))

    @router.delete(
        "/{model_id}/versions/{version}",
        **command_docs("delete_version", "Delete a version", None, parameters=[_IF_STATUS.documentation]),
    )
    async def delete_version(request: Request, model_id: str, version: str) -> Response:
        wanted = _if_status(request)
        _, body = await read_command(request, f.EmptyForm, empty_is=b"{}")
        answer = operations.delete_version(model_id, version, caller_of(request, body), wanted)
        return await http.respond(request, answer)

    return router


def _location(answer: Answer) -> str:
    model = f"{_PREFIX}/{answer.receipt.model_id}"
    match answer.receipt.event_type:
        case "ModelRegistered":
            return model
        case "MetricsReported":
            return f"{model}/metrics/history"
        case _:
            return f"{model}/versions/{answer.receipt.version}"


def _traceparent(request: Request) -> str | None:
    """As W3C Trace Context says it: what is none is passed over."""
    given = request.headers.get("traceparent", "")
    return given if _TRACEPARENT.fullmatch(given) and len(given) <= _TRACEPARENT_CHARACTERS else None
