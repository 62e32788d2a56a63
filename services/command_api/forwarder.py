"""One hop: a command that came to an instance that does not own its partition goes to the one that does.

Those of one moment go together: a batch of two hundred would else be a hundred requests from one instance to the other.
So do those that come while the owner has enough to do: it decides what has come together, one batch after the other, so
they lose nothing by it. But only those of one partition, so that none waits for a partition that stands still.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from ssl import SSLContext
from typing import Any, Final

import aiohttp
import orjson

from services.command_api import wire
from services.command_api.partition import MOST_IN_BATCH
from services.command_api.submission import NotTheOwner, OwnerUnreachable, Receipt, Submission
from tensorfleet.cancellation import cancel_all

_CONNECT_SECONDS: Final = 2.0
_KEEP_SECONDS: Final = 4.0  # less than uvicorn keeps a connection that is idle
_MOST_TOGETHER: Final = wire.MOST_BYTES // 8
"""Bytes of commands that go together. One alone may be larger."""
_MOST_UNDER_WAY: Final = 2
"""Requests to one owner for one partition: one is being decided, and the next is there when it has been."""
_REFUSED: Final = frozenset({400, 404, 408, 413, 429, 431, 503})
"""What an owner answers before it has looked at any of the commands; after that it may have carried out some."""

_Way = tuple[str, int]
"""An owner's URL, and a partition."""


class _Hop:
    """A command on its way: `body` as JSON, and where its receipt, or why there is none, is to go."""

    __slots__ = ("answer", "body", "seconds", "sent")

    def __init__(self, body: bytes, seconds: float) -> None:
        self.body = body
        self.seconds = seconds
        self.sent = False
        self.answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

    def settle(self, members: dict[str, Any]) -> None:
        """With what the owner says, unless nobody waits any more."""
        if self.answer.done():
            return
        try:
            self.answer.set_result(_receipt_in(members))
        except Exception as error:  # raised by the one who waits
            self.answer.set_exception(error)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Forwarder:
    """Sends commands to owners, over connections that are kept. `trusted`: who signs owners' certificates."""

    def __init__(self, token: str, trusted: SSLContext | bool = True) -> None:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_SECONDS, ssl=trusted)
        self._session = aiohttp.ClientSession(connector=connector)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        self._waiting: dict[_Way, list[_Hop]] = {}
        self._under_way: defaultdict[_Way, set[asyncio.Task[None]]] = defaultdict(set)

    async def close(self) -> None:
        """Whoever still waits is told that the owner did not answer."""
        for some in self._waiting.values():
            _fail(some, sent=False)
        await cancel_all([task for some in self._under_way.values() for task in some])
        await self._session.close()

    async def send(self, owner_url: str, partition: int, submission: Submission, seconds: float) -> Receipt:
        """The receipt that the owner gives.

        Any RegistryError that the owner answers with. NotTheOwner if it is none any more. OwnerUnreachable. Safe to
        repeat: the owner knows the command again by its id.
        """
        if seconds <= 0:
            raise OwnerUnreachable(sent=False)
        one = _Hop(wire.dump_forwarded(_forwarded(submission, seconds)), seconds)
        way = owner_url, partition
        self._waiting.setdefault(way, []).append(one)
        asyncio.get_running_loop().call_soon(self._set_out, way)
        try:
            async with asyncio.timeout(seconds):
                return await one.answer
        except TimeoutError:
            raise OwnerUnreachable(one.sent) from None

    def _set_out(self, way: _Way) -> None:
        """Send all that waits, unless the owner has enough to do."""
        if way not in self._waiting or len(self._under_way[way]) >= _MOST_UNDER_WAY:
            return
        waiting = [one for one in self._waiting.pop(way) if not one.answer.done()]
        for some in _in_requests(waiting):
            task = asyncio.create_task(self._deliver(way[0], some))
            self._under_way[way].add(task)
            task.add_done_callback(lambda done: self._come_back(way, done))
            _end_with_the_last(task, some)

    def _come_back(self, way: _Way, task: asyncio.Task[None]) -> None:
        self._under_way[way].discard(task)
        self._set_out(way)
        if not self._under_way[way]:
            del self._under_way[way]

    async def _deliver(self, owner_url: str, some: list[_Hop]) -> None:
        try:
            answers = await self._ask(owner_url, some)
            # All of them are counted before one is settled: with one missing, nobody knows whose are the others.
            for one, answer in list(zip(some, answers, strict=True)):
                one.settle(answer)
        except OwnerUnreachable as error:
            _fail(some, sent=error.sent)
        except asyncio.CancelledError:
            _fail(some, sent=True)
            raise
        except Exception as error:  # raised by each of those who wait
            for one in some:
                one.fail(error)

    async def _ask(self, owner_url: str, some: list[_Hop]) -> list[dict[str, Any]]:
        for one in some:
            one.sent = True
        body = b"[" + b",".join(one.body for one in some) + b"]"
        timeout = aiohttp.ClientTimeout(total=max(one.seconds for one in some), sock_connect=_CONNECT_SECONDS)
        try:
            async with self._session.post(
                owner_url + wire.PATH, data=body, headers=self._headers, timeout=timeout
            ) as response:
                if response.status != 200:
                    raise OwnerUnreachable(sent=response.status not in _REFUSED)
                answers: list[dict[str, Any]] = orjson.loads(await response.read())
                return answers
        except aiohttp.ClientConnectorError:
            raise OwnerUnreachable(sent=False) from None
        except (aiohttp.ClientError, TimeoutError):
            raise OwnerUnreachable(sent=True) from None


def _receipt_in(members: dict[str, Any]) -> Receipt:
    if wire.RECEIPT in members:
        return wire.load_receipt(members[wire.RECEIPT])
    if wire.PROBLEM in members:
        raise wire.load_error(members[wire.PROBLEM])
    raise NotTheOwner(None)


def _fail(some: list[_Hop], *, sent: bool) -> None:
    for one in some:
        one.fail(OwnerUnreachable(sent))


def _end_with_the_last(task: asyncio.Task[None], some: list[_Hop]) -> None:
    """A request that nobody waits for any more gives its connection back: its owner may be frozen."""

    def look(_: asyncio.Future[Receipt]) -> None:
        if not task.done() and all(one.answer.done() for one in some):
            task.cancel()

    for one in some:
        one.answer.add_done_callback(look)


def _forwarded(submission: Submission, seconds: float) -> wire.ForwardedCommand:
    kind, command = wire.plain_command(submission.command)
    return wire.ForwardedCommand(
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


def _in_requests(hops: list[_Hop]) -> Iterator[list[_Hop]]:
    """As many together as the owner decides at once, and not too many bytes."""
    some: list[_Hop] = []
    size = 0
    for one in hops:
        if some and (size + len(one.body) > _MOST_TOGETHER or len(some) == MOST_IN_BATCH):
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one.body)
    if some:
        yield some
