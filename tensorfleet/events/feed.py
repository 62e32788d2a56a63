"""The public feed as its readers over HTTP see it: places in it, and the port through which it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tensorfleet.kafka.records import EndOfPartition, Record

Place = tuple[int, ...]
"""The offset of the next record to read, of each partition. Offsets may name a transaction's marker: no record."""

Burst = Sequence[Record | EndOfPartition]


class NoSuchPlace(Exception):
    """The feed has no record at this offset and never will: the place is of another feed."""


@dataclass(frozen=True, slots=True)
class PartitionSlice:
    """Records of one partition, in order. Nothing lies between the last one and `next_offset`.

    `at_end`: when it was read, nothing committed followed.
    """

    records: Sequence[Record]
    next_offset: int
    at_end: bool


class Following(Protocol):
    async def stop(self) -> None:
        """Returns when no more calls come."""


class Feed(Protocol):
    """Only what is committed is ever seen. Offsets jump where a transaction ended: nothing is lost there."""

    async def ends(self) -> Place:
        """The end of what is committed, as Kafka says now. FeedUnavailable."""
        raise NotImplementedError

    def read(self, offsets: Mapping[int, int], most_each: int) -> Mapping[int, PartitionSlice]:
        """At least one record of each partition from its offset on, or its end; at most `most_each` records of each.

        Blocks, for some seconds at most; safe in several threads. FeedUnavailable if Kafka does not answer in time,
        NoSuchPlace for an offset past the end.
        """
        raise NotImplementedError

    def follow(
        self, place: Place, on_burst: Callable[[Burst], None], on_failure: Callable[[BaseException], None]
    ) -> Following:
        """Call `on_burst` on the running event loop with all that follows, each partition in order, for ever.

        The end of a partition is told each time that it is reached. `on_failure` is called at most once, at the end.
        """
        raise NotImplementedError
