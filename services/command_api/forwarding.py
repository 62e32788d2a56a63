"""One hop: a command that came to an instance that does not own its partition goes to the one that does."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from ssl import SSLContext
from typing import Any, Final

import aiohttp
import orjson
from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.command_api import wire
from services.command_api.partition import Partition
from services.command_api.submission import NotTheOwner, Receipt, Submission
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import LogUnavailable, OutcomeUnknown, RegistryError
from tensorfleet.domain.names import partition_of
from tensorfleet.http.json import json_response, read_body

PATH: Final = "/internal/v1/commands"
_MOST_BYTES: Final = 8 * 1024 * 1024
_CONNECT_SECONDS: Final = 2.0
_KEEP_SECONDS: Final = 4.0  # less than uvicorn keeps a connection that is idle


class OwnerUnreachable(Exception):
    """The owner did not answer. `sent`: it may have got the command all the same."""

    def __init__(self, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


def forwarding_token(secret: str) -> str:
    """What instances of one registry know each other by; they share `secret`."""
    return hmac.new(secret.encode(), b"tensorfleet forwarding v1", hashlib.sha256).hexdigest()


class Forwarder:
    """Sends commands to owners, over connections that are kept. `trusted`: who signs owners' certificates."""

    def __init__(self, token: str, trusted: SSLContext | bool = True) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_SECONDS, ssl=trusted)
        self._session = aiohttp.ClientSession(connector=connector)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def close(self) -> None:
        await self._session.close()

    async def send(self, owner_url: str, submission: Submission, seconds: float) -> Receipt:
        """The receipt that the owner gives.

        Any RegistryError that the owner answers with. NotTheOwner if it is none any more. OwnerUnreachable. Safe to
        repeat: the owner knows the command again by its id.
        """
        kind, command = wire.plain_command(submission.command)
        forwarded = wire.ForwardedCommand(
            model_id=submission.model_id,
            model_name=submission.model_name,
            kind=kind,
            command=command,
            command_id=submission.command_id,
            command_hash=(submission.command_hash or b"").hex(),
            actor=submission.actor,
            traceparent=submission.traceparent,
            prefix=None if submission.names is None else submission.names.text,
            seconds=seconds,
        )
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=_CONNECT_SECONDS)
        try:
            async with self._session.post(
                owner_url + PATH, data=wire.dump_forwarded(forwarded), headers=self._headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise OwnerUnreachable(sent=False)
                return _settled(orjson.loads(await response.read()))
        except aiohttp.ClientConnectorError:
            raise OwnerUnreachable(sent=False) from None
        except (aiohttp.ClientError, TimeoutError):
            raise OwnerUnreachable(sent=True) from None


def _settled(answer: dict[str, Any]) -> Receipt:
    if wire.RECEIPT in answer:
        return wire.load_receipt(answer[wire.RECEIPT])
    if wire.PROBLEM in answer:
        raise wire.load_error(answer[wire.PROBLEM])
    raise NotTheOwner(None)


def forwarding_routes(partitions: list[Partition], token: str) -> APIRouter:
    """Where other instances hand over commands. To whoever does not know the token, it does not exist."""
    router = APIRouter(include_in_schema=False)
    expected = f"Bearer {token}".encode()

    @router.post(PATH)
    async def take(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            raise HTTPException(404, "Not Found")
        forwarded = wire.load_forwarded(await read_body(request, _MOST_BYTES))
        return json_response(await _carry_out(partitions, forwarded))

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
