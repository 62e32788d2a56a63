"""Read-your-writes: follows the projector's checkpoints and wakes whoever waits for a position."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Any

from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from tensorfleet.events.envelope import Position

_RETRY_SECONDS = 0.5


class CheckpointWatch:
    """Knows, per log partition, the first offset that the read models do not contain yet.

    Fed by a change stream: one for the process, however many wait. Until the stream is open, and while MongoDB does
    not answer, it knows what it knew before, so a wait may time out but is never wrong.
    """

    def __init__(self, client: AsyncMongoClient[dict[str, Any]], database: str) -> None:
        self._checkpoints: AsyncCollection[dict[str, Any]] = client[database].get_collection(
            "checkpoints", codec_options=CodecOptions(tz_aware=True)
        )
        self._next: dict[int, int] = {}
        self._waiting: dict[int, list[tuple[int, int, asyncio.Future[None]]]] = {}
        self._order = itertools.count()

    def next_offset(self, partition: int) -> int:
        """The first offset of the log that the read models do not contain yet."""
        return self._next.get(partition, 0)

    def contains(self, position: Position) -> bool:
        return position.offset < self._next.get(position.partition, 0)

    async def wait(self, position: Position, timeout_seconds: float) -> bool:
        """True once the read models contain `position`; False if that takes longer than the time-out."""
        if self.contains(position) or timeout_seconds <= 0:
            return self.contains(position)
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (position.offset, next(self._order), reached)
        heapq.heappush(self._waiting.setdefault(position.partition, []), entry)
        try:
            await asyncio.wait_for(reached, timeout_seconds)
        except TimeoutError:
            return self.contains(position)
        finally:
            self._forget(position.partition, entry)
        return True

    def _forget(self, partition: int, entry: tuple[int, int, asyncio.Future[None]]) -> None:
        """A wait that was given up leaves nothing behind."""
        waiting = self._waiting[partition]
        if not (entry[2].done() and not entry[2].cancelled()):
            waiting.remove(entry)
            heapq.heapify(waiting)

    async def run(self) -> None:
        """Follow for ever; a lost connection is opened again."""
        while True:
            try:
                await self._follow()
            except PyMongoError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        pipeline = [{"$match": {"operationType": {"$in": ["insert", "update", "replace"]}}}]
        async with await self._checkpoints.watch(pipeline, max_await_time_ms=1000) as stream:
            # What was committed before the stream opened is read once, after: nothing falls between.
            async for checkpoint in self._checkpoints.find():
                self._advance(checkpoint)
            async for change in stream:
                updated = change.get("updateDescription", {}).get("updatedFields", {})
                found = {"_id": change["documentKey"]["_id"], **updated}
                self._advance(found if "next_offset" in found else (change.get("fullDocument") or found))

    def _advance(self, checkpoint: dict[str, Any]) -> None:
        topic, _, partition = str(checkpoint["_id"]).partition(":")
        if topic != "log" or "next_offset" not in checkpoint:
            return
        number, reached = int(partition), int(checkpoint["next_offset"])
        self._next[number] = max(reached, self._next.get(number, 0))
        waiting = self._waiting.get(number, [])
        while waiting and waiting[0][0] < self._next[number]:
            _, _, future = heapq.heappop(waiting)
            if not future.done():
                future.set_result(None)
