"""The command routes: HTTP in, one operation, HTTP out."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.command_api import forms as f
from services.command_api.bus import Caller
from services.command_api.operations import Answer, Operations
from services.command_api.submission import CommandKey
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand, RegistryError
from tensorfleet.events.envelope import Position
from tensorfleet.http.json import json_response, read_command, validated
from tensorfleet.http.openapi import command_docs
from tensorfleet.http.problems import problem_members, status_of

_PREFIX = "/api/v1/models"


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

    async def respond(self, request: Request, answer: Answer) -> Response:
        """The answer with its position, once the read models contain it (unless the client prefers not to wait)."""
        projected = await self._projected(request, answer.receipt.position)
        headers = {
            "X-Registry-Position": str(answer.receipt.position),
            "X-Registry-Projected": "true" if projected else "false",
        }
        if answer.receipt.replayed:
            headers["Idempotency-Replayed"] = "true"
        if answer.status == 201:
            headers["Location"] = _location(answer)
        return json_response(answer.members, answer.status, headers)

    async def _projected(self, request: Request, position: Position) -> bool:
        prefers = request.headers.get("prefer", "").lower().replace(" ", "").split(",")
        wait = 0.0 if "respond-async" in prefers else self._wait_seconds
        return await self._projection.wait(position, wait)

    async def respond_batch(self, request: Request, answers: list[Answer | RegistryError]) -> Response:
        positions: dict[int, Position] = {}
        for answer in answers:
            if isinstance(answer, Answer):
                position = answer.receipt.position
                positions[position.partition] = max(position, positions.get(position.partition, position))
        projected = all(await asyncio.gather(*(self._projected(request, one) for one in positions.values())))
        results = [_result(answer) for answer in answers]
        succeeded = sum(isinstance(answer, Answer) for answer in answers)
        headers = {"X-Registry-Projected": "true" if projected else "false"}
        if positions:
            headers["X-Registry-Position"] = ",".join(map(str, sorted(positions.values())))
        members = {"results": results, "succeeded": succeeded, "failed": len(results) - succeeded}
        return json_response(members, 200, headers)


def caller_of(request: Request, body: bytes) -> Caller:
    """Who asks. InvalidCommand for an idempotency key that is empty, over 200 characters or not plain ASCII."""
    given = request.headers.getlist("idempotency-key")
    if len(given) > 1:
        raise InvalidCommand("Idempotency-Key is given more than once.")
    key = None
    if given:
        if not (0 < len(given[0]) <= 200 and given[0].isascii() and given[0].isprintable()):
            raise InvalidCommand("Idempotency-Key must have 1 to 200 printable ASCII characters.")
        target = f"{request.method} {request.url.path}?{request.url.query}\0".encode("utf-8", "replace")
        key = CommandKey(hashlib.sha256(given[0].encode()).hexdigest()[:32], hashlib.sha256(target + body).digest())
    return Caller("anonymous", key, _traceparent(request))


def version_parameter(request: Request) -> str | None:
    """The `version` query parameter; InvalidCommand for any other parameter, or for two of it."""
    unknown = sorted(set(request.query_params) - {"version"})
    if unknown:
        raise InvalidCommand.of(unknown[0], "is not a known query parameter")
    given = request.query_params.getlist("version")
    if len(given) > 1:
        raise InvalidCommand.of("version", "is given more than once")
    return given[0] if given else None


def no_parameters(request: Request) -> None:
    if request.query_params:
        raise InvalidCommand.of(sorted(request.query_params)[0], "is not a known query parameter")


def command_routes(http: CommandHttp) -> APIRouter:
    router = APIRouter(prefix=_PREFIX, tags=["commands"])
    operations = http.operations

    @router.post("", status_code=201, **command_docs("register_model", "Register a model", f.RegisterForm))
    async def register(request: Request) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.RegisterForm)
        return await http.respond(request, await operations.register(form, caller_of(request, body)))

    @router.post("/batch", **command_docs("run_batch", "Up to 1000 operations in one request", f.BatchForm))
    async def batch(request: Request) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.BatchForm)
        if len(form.operations) > limits.BATCH_OPERATIONS:
            most = limits.BATCH_OPERATIONS
            raise InvalidCommand.of("operations", f"has {len(form.operations)} entries; at most {most} are allowed")
        caller = caller_of(request, body)
        work = (_one_of_batch(operations, one, _nth(caller, i)) for i, one in enumerate(form.operations))
        return await http.respond_batch(request, await asyncio.gather(*work))

    async def update(request: Request, model_id: str) -> Response:
        version = version_parameter(request)
        form, body = await read_command(request, f.UpdateForm)
        answer = await operations.update(model_id, version, form, caller_of(request, body))
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
        answer = await operations.create_version(model_id, form, caller_of(request, body))
        return await http.respond(request, answer)

    @router.post("/{model_id}/deprecate", **command_docs("deprecate_model", "Deprecate", f.DeprecateForm))
    async def deprecate(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.DeprecateForm, empty_is=b"{}")
        answer = await operations.deprecate(model_id, form, caller_of(request, body))
        return await http.respond(request, answer)

    @router.post("/{model_id}/archive", **command_docs("archive_model", "Archive", f.TargetForm))
    async def archive(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.TargetForm, empty_is=b"{}")
        return await http.respond(request, await operations.archive(model_id, form, caller_of(request, body)))

    @router.post("/{model_id}/restore", **command_docs("restore_model", "Restore", f.TargetForm))
    async def restore(request: Request, model_id: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.TargetForm, empty_is=b"{}")
        return await http.respond(request, await operations.restore(model_id, form, caller_of(request, body)))

    @router.delete("/{model_id}", **command_docs("delete_model", "Delete a model", None))
    async def delete(request: Request, model_id: str) -> Response:
        no_parameters(request)
        _, body = await read_command(request, f.EmptyForm, empty_is=b"{}")
        return await http.respond(request, await operations.delete(model_id, caller_of(request, body)))

    @router.delete("/{model_id}/versions/{version}", **command_docs("delete_version", "Delete a version", None))
    async def delete_version(request: Request, model_id: str, version: str) -> Response:
        no_parameters(request)
        _, body = await read_command(request, f.EmptyForm, empty_is=b"{}")
        answer = await operations.delete_version(model_id, version, caller_of(request, body))
        return await http.respond(request, answer)

    return router


async def _one_of_batch(operations: Operations, operation: dict[str, Any], caller: Caller) -> Answer | RegistryError:
    try:
        return await _dispatch(operations, dict(operation), caller)
    except RegistryError as error:
        status_of(error)  # KeyError: an error that is no answer ends the process, as in a single call
        return error


async def _dispatch(operations: Operations, members: dict[str, Any], caller: Caller) -> Answer:
    op = members.pop("op", None)
    if op == "register":
        return await operations.register(validated(f.RegisterForm, members), caller)
    if op not in ("version", "update", "deprecate", "archive", "restore", "delete"):
        raise InvalidCommand.of("op", "is not one of register, version, update, deprecate, archive, restore, delete")
    model_id = members.pop("model_id", None)
    if not isinstance(model_id, str):
        raise InvalidCommand.of("model_id", "is required")
    match op:
        case "version":
            return await operations.create_version(model_id, validated(f.VersionForm, members), caller)
        case "update":
            version = validated(f.TargetForm, {"version": members.pop("version", None)}).version
            return await operations.update(model_id, version, validated(f.UpdateForm, members), caller)
        case "deprecate":
            return await operations.deprecate(model_id, validated(f.DeprecateForm, members), caller)
        case "archive":
            return await operations.archive(model_id, validated(f.TargetForm, members), caller)
        case "restore":
            return await operations.restore(model_id, validated(f.TargetForm, members), caller)
        case _:
            return await _delete_either(operations, model_id, validated(f.TargetForm, members), caller)


async def _delete_either(operations: Operations, model_id: str, form: f.TargetForm, caller: Caller) -> Answer:
    if form.version is None:
        return await operations.delete(model_id, caller)
    return await operations.delete_version(model_id, form.version, caller)


def _nth(caller: Caller, index: int) -> Caller:
    """The caller of the batch's `index`-th operation: its key is made from the batch's."""
    if caller.key is None:
        return caller
    own = hashlib.sha256(f"{caller.key.command_id}/{index}".encode()).hexdigest()[:32]
    return Caller(caller.actor, CommandKey(own, caller.key.hash), caller.traceparent)


def _result(answer: Answer | RegistryError) -> dict[str, Any]:
    if isinstance(answer, RegistryError):
        return problem_members(answer)
    members = dict(answer.members)
    if "status" in members:
        members["model_status"] = members.pop("status")
    return {"status": answer.status, **members}


def _location(answer: Answer) -> str:
    model = f"{_PREFIX}/{answer.receipt.model_id}"
    return model if answer.receipt.event_type == "ModelRegistered" else f"{model}/versions/{answer.receipt.version}"


def _traceparent(request: Request) -> str | None:
    given = request.headers.get("traceparent")
    return given if given is not None and len(given) <= 128 and given.isascii() else None
