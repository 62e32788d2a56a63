"""Follows which generation of the read models is live, for whoever reads them; no read goes back in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from pymongo import AsyncMongoClient, timeout
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from tensorfleet.mongo.generations import EVERYONE_KNOWS_SECONDS, LIVE, POINTER, READERS_MOVED_SECONDS, Generations

Document = dict[str, Any]
T = TypeVar("T")
_ASK_SECONDS: Final = 0.25
_ASK_AGAIN_SECONDS: Final = 0.02
_ANSWER_SECONDS: Final = 2.0


class LiveGeneration:
    """Every read goes through `read`. It asks once which generation is live; after that, `run` keeps that up to date.

    A read that ends before another begins has seen no more than the other: this moves to a new generation only when
    that contains all that the one before can have shown, and no answer leaves while that is being found out.

    `databases` are all that some process may be reading at the moment: usually one, for a moment after a switch two.
    It does not move at once, so that whoever waits for positions for the sake of readers has noticed the switch too.
    """

    def __init__(self, client: AsyncMongoClient[Document], home: str) -> None:
        self.client = client
        self.databases: tuple[str, ...] = ()
        self._home = home
        self._known: Generations | None = None
        self._current = ""
        self._noticed = 0.0
        self._decided = asyncio.Event()
        self._decided.set()
        self._changed = asyncio.Event()

    async def read(self, ask: Callable[[AsyncDatabase[Document]], Awaitable[T]]) -> T:
        """What `ask` finds in the live generation; it is asked again if the generation changed meanwhile."""
        if self._known is None:
            self._begin(await self._ask())
        while True:
            database = self._current
            found = await ask(self.client[database])
            while not self._decided.is_set():
                await self._decided.wait()
            if database == self._current:
                return found

    async def databases_other_than(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Returns as soon as `databases` are not `known`."""
        while self.databases == known:
            await self._changed.wait()
        return self.databases

    async def run(self) -> None:
        """Follow for ever. While MongoDB does not answer, what was live stays live."""
        while True:
            try:
                with timeout(_ANSWER_SECONDS):
                    await self._run_once()
            except PyMongoError:
                await asyncio.sleep(_ASK_SECONDS)
            moving = self._known is not None and self._current != self._known.live
            await asyncio.sleep(_ASK_AGAIN_SECONDS if moving else _ASK_SECONDS)

    async def _run_once(self) -> None:
        found = await self._ask()
        if self._known is None:
            self._begin(found)
        elif found.number != self._known.number:
            self._known, self._noticed = found, time.monotonic()
            self._publish(self._current, found.live)
        since = time.monotonic() - self._noticed
        if self._known is not None and self._current != self._known.live:
            if since > EVERYONE_KNOWS_SECONDS:
                await self._move(self._known.live)
        elif len(self.databases) > 1 and since > READERS_MOVED_SECONDS:
            self._publish(self._current)

    def _begin(self, found: Generations) -> None:
        if self._known is None:
            self._known, self._current = found, found.live
            self._publish(found.live)

    async def _move(self, to: str) -> None:
        """Answers wait only once the new generation seems to have come so far, for the time of two small questions."""
        if not await self._contains_what_was_shown(to):
            return
        self._decided.clear()
        try:
            if await self._contains_what_was_shown(to):
                self._current = to
        finally:
            self._decided.set()

    async def _contains_what_was_shown(self, generation: str) -> bool:
        shown = await self._checkpoints(self.client[self._current])
        reached = await self._checkpoints(self.client.get_database(generation, read_concern=ReadConcern("majority")))
        return all(reached.get(key, -1) >= offset for key, offset in shown.items())

    async def _checkpoints(self, database: AsyncDatabase[Document]) -> dict[str, int]:
        found = await database["checkpoints"].find({}, {"next_offset": 1}).to_list(None)
        return {one["_id"]: one["next_offset"] for one in found}

    async def _ask(self) -> Generations:
        return Generations.of(await self.client[self._home][POINTER].find_one({"_id": LIVE}), self._home)

    def _publish(self, *databases: str) -> None:
        self.databases = tuple(dict.fromkeys(databases))
        self._changed.set()
        self._changed = asyncio.Event()
