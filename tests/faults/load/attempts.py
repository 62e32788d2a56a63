"""How a client gets a command carried out: the same idempotency key until there is an answer, at one API or another."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from tensorfleet.events.envelope import Position
from tests.faults.checker.history import Attempt, Operation, command_id_in_batch, command_id_of
from tests.faults.load.http_client import HttpClient, NoAnswer, Refused, Reply
from tests.faults.load.recorder import now
from tests.faults.load.requests import Request

MOST_ATTEMPTS = 24
ATTEMPT_SECONDS = 10.0
HANG_UPS = 0.02
_PAUSES = (0.05, 0.1, 0.2, 0.3, 0.5)


class Caller:
    """One client. It asks the APIs in turn, but none that refuses a connection, and sometimes hangs up on the first."""

    def __init__(self, number: int, seed: int, apis: Sequence[HttpClient], chance: random.Random) -> None:
        self._number = number
        self._keys = (f"{seed}/{number}/{n}" for n in itertools.count())
        self._apis = apis
        self._turn = 0
        self._chance = chance

    async def carry_out(self, request: Request, *, asynchronous: bool) -> Operation:
        """`asynchronous`: it is not waited until the read models contain it."""
        key = self._begin()
        attempts: list[Attempt] = []
        while _goes_on(attempts):
            await self._pause(len(attempts))
            sent_at, reply = await self._ask(request, key, first=not attempts, asynchronous=asynchronous)
            attempts.append(_attempt(sent_at, reply))
        return Operation(
            self._number, command_id_of(key), request.model_id, request.command, tuple(attempts), in_batch=False
        )

    async def carry_out_batch(self, entries: Sequence[Request]) -> list[Operation]:
        """Until every entry is acknowledged or rejected. The API knows those of an earlier attempt by their keys."""
        key = self._begin()
        body = orjson.dumps({"operations": [one.operation for one in entries]})
        whole = Request("POST", "/api/v1/models/batch", body, "", entries[0].command)
        attempts: list[list[Attempt]] = [[] for _ in entries]
        for turn in range(MOST_ATTEMPTS):
            if turn and not any(_goes_on(one) for one in attempts):
                break
            await self._pause(turn)
            sent_at, reply = await self._ask(whole, key, first=turn == 0)
            for one, attempt in zip(attempts, _of_batch(sent_at, reply, len(entries)), strict=True):
                if not one or not one[-1].acknowledged:
                    one.append(attempt)
        return [
            Operation(
                self._number, command_id_in_batch(key, index), one.model_id, one.command, tuple(attempts[index]), True
            )
            for index, one in enumerate(entries)
        ]

    def _begin(self) -> str:
        """The key of a new command. Strictly in turn, its first attempt would always go to the same API."""
        self._turn += self._chance.randrange(2)
        return next(self._keys)

    async def _pause(self, turn: int) -> None:
        if turn:
            await asyncio.sleep(_PAUSES[min(turn, len(_PAUSES)) - 1] * self._chance.uniform(0.5, 1.5))

    async def _ask(
        self, request: Request, key: str, *, first: bool, asynchronous: bool = False
    ) -> tuple[float, Reply | None]:
        headers = {"Idempotency-Key": key, "Content-Type": "application/json", **request.headers}
        if asynchronous:
            headers["Prefer"] = "respond-async"
        hangs_up = first and self._chance.random() < HANG_UPS
        seconds = self._chance.uniform(0.002, 0.05) if hangs_up else ATTEMPT_SECONDS
        sent_at = now()
        try:
            return sent_at, await self._send(request, headers, seconds)
        except NoAnswer:
            return sent_at, None

    async def _send(self, request: Request, headers: Mapping[str, str], seconds: float) -> Reply:
        """By the first API that listens, beginning with the one whose turn it is."""
        self._turn += 1
        *others, last = (self._apis[(self._turn + n) % len(self._apis)] for n in range(len(self._apis)))
        for one in others:
            with suppress(Refused):
                return await one.request(request.method, request.path, request.body, headers, seconds=seconds)
        return await last.request(request.method, request.path, request.body, headers, seconds=seconds)


def _goes_on(attempts: Sequence[Attempt]) -> bool:
    if not attempts:
        return True
    settled = attempts[-1].acknowledged or attempts[-1].rejected
    return not settled and len(attempts) < MOST_ATTEMPTS


def _attempt(sent_at: float, reply: Reply | None) -> Attempt:
    if reply is None:
        return Attempt(sent_at, now(), 0)
    positions, projected = _position_headers(reply)
    return Attempt(sent_at, now(), reply.status, _code(reply), positions, projected)


def _of_batch(sent_at: float, reply: Reply | None, entries: int) -> list[Attempt]:
    if reply is None or reply.status != 200:
        return [_attempt(sent_at, reply)] * entries
    positions, projected = _position_headers(reply)
    results: list[dict[str, Any]] = orjson.loads(reply.body)["results"]
    at = now()
    return [Attempt(sent_at, at, one["status"], one.get("code", ""), positions, projected) for one in results]


def _position_headers(reply: Reply) -> tuple[tuple[Position, ...], bool]:
    named = reply.headers.get("x-registry-position", "")
    positions = tuple(Position.parse(text) for text in named.split(",") if text)
    return positions, reply.headers.get("x-registry-projected") == "true"


def _code(reply: Reply) -> str:
    if reply.status < 400 or "problem+json" not in reply.headers.get("content-type", ""):
        return ""
    return str(orjson.loads(reply.body).get("code", ""))
