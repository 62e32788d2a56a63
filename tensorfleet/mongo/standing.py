"""Where the read models stand: which generation is live, and how far it contains each partition."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pymongo.asynchronous.database import AsyncDatabase

from tensorfleet.mongo.live_generation import LiveGeneration
from tensorfleet.mongo.read_models import CHECKPOINTS, READ_MILLISECONDS, translated

Standing = tuple[Any, ...]
"""Equal only while every document of the read models is what it was: they are made from the log alone, and each change
of one moves the checkpoint of its partition in the same transaction. Two that are equal had nothing between them."""

_FIELDS: Final = {"next_offset": 1, "running_hash": 1, "replays": 1}


class StandingReader:
    """Asks MongoDB where the read models stand. Those who want to know while a question is under way share the next."""

    def __init__(self, live: LiveGeneration) -> None:
        self._live = live
        self._asking: asyncio.Task[Standing] | None = None
        self._next: asyncio.Task[Standing] | None = None

    async def now(self) -> Standing:
        """As it was at some moment after this was called. ReadModelsUnavailable while MongoDB does not answer."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask(self._asking))
            self._next.add_done_callback(_look_at_error)
        return await asyncio.shield(self._next)

    async def _ask(self, before: asyncio.Task[Standing] | None) -> Standing:
        if before is not None:
            await asyncio.wait([before])
        self._asking, self._next = self._next, None
        with translated():
            return await self._live.read(_standing)


async def _standing(database: AsyncDatabase[dict[str, Any]]) -> Standing:
    checkpoints = await database[CHECKPOINTS].find({}, _FIELDS, max_time_ms=READ_MILLISECONDS).to_list(None)
    places = sorted((one["_id"], one["next_offset"], one["running_hash"], one.get("replays")) for one in checkpoints)
    return (database.name, *places)


def _look_at_error(asked: asyncio.Task[Standing]) -> None:
    """Whoever wanted to know may have gone away; that is no error of the process."""
    if not asked.cancelled():
        asked.exception()
