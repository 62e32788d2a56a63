"""What other instances hand over: the commands of partitions that this one owns."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.command_api import wire
from services.command_api.partition import Partition
from services.command_api.submission import NotTheOwner, Submission
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import LogUnavailable, OutcomeUnknown, RegistryError
from tensorfleet.domain.names import partition_of
from tensorfleet.http.json import json_response, read_body

PATH: Final = "/internal/v1/commands"
MOST_BYTES: Final = 8 * 1024 * 1024


def forwarding_token(secret: str) -> str:
    """What instances of one registry know each other by; they share `secret`."""
    return hmac.new(secret.encode(), b"tensorfleet forwarding v1", hashlib.sha256).hexdigest()


def forwarding_routes(partitions: list[Partition], token: str) -> APIRouter:
    """Where other instances hand over commands. To whoever does not know the token, it does not exist."""
    router = APIRouter(include_in_schema=False)
    expected = f"Bearer {token}".encode()

    @router.post(PATH)
    async def take(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            raise HTTPException(404, "Not Found")
        forwarded = wire.load_forwarded(await read_body(request, MOST_BYTES))
        return json_response(await asyncio.gather(*(_carry_out(partitions, one) for one in forwarded)))

    return router


async def _carry_out(partitions: list[Partition], forwarded: wire.ForwardedCommand) -> dict[str, Any]:
    partition = partitions[partition_of(forwarded.model_id, len(partitions))]
    submission = Submission(
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
    try:
        partition.submit(submission)
        async with asyncio.timeout(forwarded.seconds):
            return wire.dump_receipt(await asyncio.shield(submission.done))
    except NotTheOwner:
        return {wire.NOT_THE_OWNER: True}
    except RegistryError as error:
        return wire.dump_error(error)
    except TimeoutError:
        not_sent = partition.withdraw(submission)
        submission.done.cancel()
        return wire.dump_error(too_late(not_sent))


def too_late(not_sent: bool) -> LogUnavailable | OutcomeUnknown:
    """What to tell whoever waits for a command that has not ended in time."""
    if not_sent:
        return LogUnavailable("The log did not take the command in time. Nothing was changed.")
    return OutcomeUnknown(
        "The command was sent to the log, which has not confirmed it in time. Ask again with the same "
        "Idempotency-Key: it is carried out once."
    )
