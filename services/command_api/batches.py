"""Batches: many operations in one request. Each succeeds or fails alone; those of one model run in their order."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.command_api import forms as f
from services.command_api.bus import Caller
from services.command_api.operations import Answer, Operations
from services.command_api.submission import CommandKey
from tensorfleet.domain import limits, names
from tensorfleet.domain.errors import InvalidCommand, RegistryError
from tensorfleet.http.json import validated
from tensorfleet.http.problems import problem_members, status_of

Outcome = Answer | RegistryError
_OPERATIONS = ("version", "update", "deprecate", "archive", "restore", "delete", "report_metrics")
"""Those about one model that is there; `register` makes one."""


async def run_batch(operations: Operations, asked: Sequence[dict[str, Any]], caller: Caller) -> list[Outcome]:
    """The outcome of each operation, in order.

    InvalidCommand for too many. KeyReused, CommandStillRunning for the batch as a whole; then nothing is carried out.
    """
    if len(asked) > limits.BATCH_OPERATIONS:
        most = limits.BATCH_OPERATIONS
        raise InvalidCommand.of("operations", f"has {len(asked)} entries; at most {most} are allowed")
    with operations.reserve(caller.key, [_nth(caller, index).key for index in range(len(asked))]):
        queues: dict[str, list[int]] = {}
        for index, one in enumerate(asked):
            queues.setdefault(_subject(one), []).append(index)
        outcomes: dict[int, Outcome] = {}

        async def run_in_order(indexes: list[int]) -> None:
            for index in indexes:
                outcomes[index] = await _run_one(operations, asked[index], _nth(caller, index))

        await asyncio.gather(*map(run_in_order, queues.values()))
        operations.remember(caller.key, [one.receipt for one in outcomes.values() if isinstance(one, Answer)])
    return [outcomes[index] for index in range(len(asked))]


def result_members(outcome: Outcome) -> dict[str, Any]:
    """What stands in `results`: the members of the single call, with its HTTP status as `status`."""
    if isinstance(outcome, RegistryError):
        return problem_members(outcome)
    members = dict(outcome.members)
    if "status" in members:
        members["model_status"] = members.pop("status")
    return {"status": outcome.status, **members}


def _subject(operation: dict[str, Any]) -> str:
    """The id of the model that an operation is about; nameless registrations make one queue, for they may collide."""
    name = operation.get("name")
    if operation.get("op") == "register" and isinstance(name, str):
        try:
            return names.model_id_of(names.canonical_name(name))
        except InvalidCommand:
            return ""
    return str(operation.get("model_id", ""))


async def _run_one(operations: Operations, operation: dict[str, Any], caller: Caller) -> Outcome:
    try:
        return await _dispatch(operations, dict(operation), caller)
    except RegistryError as error:
        status_of(error)  # KeyError: an error that is no answer ends the process, as in a single call
        return error


async def _dispatch(operations: Operations, members: dict[str, Any], caller: Caller) -> Answer:
    op = members.pop("op", None)
    if op == "register":
        return await operations.register(validated(f.RegisterForm, members), caller)
    if op not in _OPERATIONS:
        raise InvalidCommand.of("op", f"is not one of register, {', '.join(_OPERATIONS)}")
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
        case "report_metrics":
            return await operations.report_metrics(model_id, validated(f.MetricsForm, members), caller)
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
    return replace(caller, key=CommandKey(own, caller.key.hash))
