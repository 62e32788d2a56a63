"""A cut of the log, and where it goes through at a time: what every read of the past is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tensorfleet.domain.names import partition_of
from tensorfleet.events.envelope import Position
from tensorfleet.mongo.read_models import HISTORY, ReadModels

NOTHING = -1
"""The offset of a cut before the first record."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`offsets` holds, for each partition, the last offset that is within the cut, or NOTHING.

    `time` is the moment that it stands for, in microseconds since 1970: downloads are cut at it, for they have no place
    in the log.
    """

    offsets: Mapping[int, int]
    partitions: int
    time: int

    def offset_for(self, model_id: str) -> int:
        return self.offsets[partition_of(model_id, self.partitions)]


async def cut_at_time(reads: ReadModels, time: int, partitions: int, wanted: Iterable[int]) -> Cut:
    """All events up to `time`, that included: the owner of a partition gives each event a later time than the last.

    Only the `wanted` partitions are asked for.
    """
    numbers = list(wanted)
    offsets = await asyncio.gather(*(_last_at(reads, number, time) for number in numbers))
    return Cut(dict(zip(numbers, offsets, strict=True)), partitions, time)


async def cut_at_positions(
    reads: ReadModels, positions: Sequence[Position], partitions: int, wanted: Iterable[int]
) -> Cut:
    """All that stands at or before `positions`; other partitions are cut at the time of the newest event of these."""
    times = await asyncio.gather(*(_time_of(reads, one) for one in positions))
    named = {one.partition: one.offset for one in positions}
    rest = await cut_at_time(reads, max(times), partitions, [one for one in wanted if one not in named])
    return Cut({**rest.offsets, **named}, partitions, rest.time)


async def _last_at(reads: ReadModels, partition: int, time: int) -> int:
    where = {"partition": partition, "occurred_at": {"$lte": time}}
    order = [("occurred_at", -1), ("offset", -1)]
    found = await reads.find(HISTORY, where, sort=order, limit=1, fields={"_id": 0, "offset": 1})
    return found[0]["offset"] if found else NOTHING


async def _time_of(reads: ReadModels, position: Position) -> int:
    """The time of the last event at or before `position`; 0 if there is none."""
    where = {"partition": position.partition, "offset": {"$lte": position.offset}}
    found = await reads.find(HISTORY, where, sort=[("offset", -1)], limit=1, fields={"_id": 0, "occurred_at": 1})
    return found[0]["occurred_at"] if found else 0
