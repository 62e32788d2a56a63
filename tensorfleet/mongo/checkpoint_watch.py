"""Read-your-writes: follows the projector's checkpoints and wakes whoever waits for a position."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Any

from bson.codec_options import CodecOptions
from pymongo.errors import PyMongoError

from tensorfleet.cancellation import cancel_all
from tensorfleet.events.envelope import Position
from tensorfleet.mongo.live_generation import LiveGeneration

_RETRY_SECONDS = 0.5


class CheckpointWatch:
    """Knows, per log partition, the first offset that the read models do not contain yet.

    Fed by a change stream: one for the process, however many wait. Until the stream is open, and while MongoDB does
    not answer, it knows what it knew before, so a wait may time out but is never wrong. After a switch of generations
    both are watched for a moment, and only what both contain is contained: other processes may still read the old one.
    """

    def __init__(self, live: LiveGeneration) -> None:
        self._live = live
        self._next: dict[str, dict[int, int]] = {}
        self._waiting: dict[int, list[tuple[int, int, asyncio.Future[None]]]] = {}
        self._order = itertools.count()

    def next_offset(self, partition: int) -> int:
        """The first offset of the log that the read models do not contain yet."""
        return min((one.get(partition, 0) for one in self._next.values()), default=0)

    def contains(self, position: Position) -> bool:
        return position.offset < self.next_offset(position.partition)

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
        if entry in waiting:
            waiting.remove(entry)
            heapq.heapify(waiting)

    async def run(self) -> None:
        """Follow for ever; a lost connection is opened again."""
        databases: tuple[str, ...] = ()
        following: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                databases = await self._live.databases_other_than(databases)
                for name in following.keys() - set(databases):
                    await cancel_all([following.pop(name)])
                    del self._next[name]
                for name in set(databases) - following.keys():
                    self._next[name] = {}
                    following[name] = group.create_task(self._follow_for_ever(name))
                for partition in self._waiting:
                    self._wake(partition)

    async def _follow_for_ever(self, database: str) -> None:
        while True:
            try:
                await self._follow(database)
            except PyMongoError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self, database: str) -> None:
        checkpoints = self._live.client[database].get_collection(
            "checkpoints", codec_options=CodecOptions(tz_aware=True)
        )
        pipeline = [{"$match": {"operationType": {"$in": ["insert", "update", "replace"]}}}]
        async with await checkpoints.watch(pipeline, max_await_time_ms=1000) as stream:
            # What was committed before the stream opened is read once, after: nothing falls between.
            async for checkpoint in checkpoints.find():
                self._advance(database, checkpoint)
            async for change in stream:
                updated = change.get("updateDescription", {}).get("updatedFields", {})
                found = {"_id": change["documentKey"]["_id"], **updated}
                self._advance(database, found if "next_offset" in found else (change.get("fullDocument") or found))

    def _advance(self, database: str, checkpoint: dict[str, Any]) -> None:
        topic, _, partition = str(checkpoint["_id"]).partition(":")
        if topic != "log" or "next_offset" not in checkpoint:
            return
        known, number = self._next[database], int(partition)
        known[number] = max(int(checkpoint["next_offset"]), known.get(number, 0))
        self._wake(number)

    def _wake(self, partition: int) -> None:
        reached, waiting = self.next_offset(partition), self._waiting.get(partition, [])
        while waiting and waiting[0][0] < reached:
            _, _, future = heapq.heappop(waiting)
            if not future.done():
                future.set_result(None)
