"""What other instances hand over: the commands of partitions that this one owns."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.command_api import wire
from services.command_api.bus import carried_out
from services.command_api.partition import Partition
from services.command_api.submission import NotTheOwner, Submission
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import Malformed, RegistryError
from tensorfleet.domain.names import partition_of
from tensorfleet.http.json import json_response, read_body


def forwarding_token(secret: str) -> str:
    """What instances of one registry know each other by; they share `secret`."""
    return hmac.new(secret.encode(), b"tensorfleet forwarding v1", hashlib.sha256).hexdigest()


def forwarding_routes(partitions: list[Partition], token: str) -> APIRouter:
    """Where other instances hand over commands. To whoever does not know the token, it does not exist."""
    router = APIRouter(include_in_schema=False)
    expected = f"Bearer {token}".encode()

    @router.post(wire.PATH)
    async def take(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            raise HTTPException(404, "Not Found")
        body = await read_body(request, wire.MOST_BYTES)
        try:
            commands = [(_submission(one), one.seconds) for one in wire.load_forwarded(body)]
        except (KeyError, ValueError):
            raise Malformed("These are no commands that this release knows.") from None
        return json_response(await _carry_out_all(partitions, commands))

    return router


async def _carry_out_all(
    partitions: list[Partition], commands: Sequence[tuple[Submission, float]]
) -> list[dict[str, Any]]:
    """An unexpected error is raised when all have ended: the others are not left half answered for it."""
    answers = await asyncio.gather(*(_carry_out(partitions, *one) for one in commands), return_exceptions=True)
    settled = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        settled.append(answer)
    return settled


def _submission(forwarded: wire.ForwardedCommand) -> Submission:
    return Submission(
        model_id=forwarded.model_id,
        model_name=forwarded.model_name,
        command=wire.rich_command(forwarded),
        command_id=forwarded.command_id,
        command_hash=bytes.fromhex(forwarded.command_hash),
        actor=forwarded.actor,
        traceparent=forwarded.traceparent,
        names=None if forwarded.prefix is None else NamePrefix(forwarded.prefix),
        done=asyncio.get_running_loop().create_future(),
    )


async def _carry_out(partitions: list[Partition], submission: Submission, seconds: float) -> dict[str, Any]:
    partition = partitions[partition_of(submission.model_id, len(partitions))]
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        return wire.dump_receipt(await carried_out(partition, submission, deadline))
    except NotTheOwner:
        return {wire.NOT_THE_OWNER: True}
    except RegistryError as error:
        return wire.dump_error(error)
