"""Pages of the feed from any place on: the partitions merged by time, each in its own order."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from services.query_api.events.rendering import FeedEvent, Wanted, feed_event
from tensorfleet.domain.errors import FeedUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.events.feed import Feed, PartitionSlice, Place

MOST_SCANNED: Final = 1_000
READERS: Final = 4
MOST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is where the following page begins; `more` tells that something follows already.

    A page that is read for few kinds of events may be short, or empty, and have more after it.
    """

    events: list[FeedEvent]
    next: Place
    more: bool


class Pages:
    """Read in a few threads of their own: what else runs in threads does not wait for Kafka."""

    def __init__(self, feed: Feed, codec: Codec) -> None:
        self._feed = feed
        self._codec = codec
        self._threads = ThreadPoolExecutor(READERS, "feed")

    async def after(self, place: Place, wanted: Wanted, limit: int) -> Page:
        """FeedUnavailable, also if too many others ask; NoSuchPlace.

        At most about MOST_SCANNED records, or `limit` of each partition, are read.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                return await loop.run_in_executor(self._threads, self._after, place, wanted, limit)
        except TimeoutError:
            raise FeedUnavailable(f"The feed could not be read within {MOST_SECONDS:g} s.") from None

    async def close(self) -> None:
        """Returns when no read is under way."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    def _after(self, place: Place, wanted: Wanted, limit: int) -> Page:
        partitions = wanted.partitions(len(place))
        each = limit if wanted == EVERYTHING else max(limit, MOST_SCANNED // len(partitions))
        slices = self._feed.read({number: place[number] for number in partitions}, each)
        return _Merge(place, slices, self._codec).page(wanted, limit)


EVERYTHING: Final = Wanted(None, None)


class _Merge:
    """Takes the earliest of all partitions' next events, again and again.

    It ends where a partition's next event has not been read: something earlier may follow there.
    """

    def __init__(self, place: Place, slices: Mapping[int, PartitionSlice], codec: Codec) -> None:
        self._place = list(place)
        self._slices = slices
        self._codec = codec
        self._unread = {number: iter(one.records) for number, one in slices.items()}
        self._heads: list[tuple[int, int, FeedEvent]] = []
        self._known = all([self._advance(number) for number in slices])

    def page(self, wanted: Wanted, limit: int) -> Page:
        found: list[FeedEvent] = []
        while self._known and self._heads and len(found) < limit:
            _, number, event = heapq.heappop(self._heads)
            envelope = event.envelope
            self._place[number] = event.offset + 1
            if wanted.takes(envelope.event_type, envelope.model_id, envelope.model_name):
                found.append(event)
            self._known = self._advance(number)
        return Page(found, tuple(self._place), not self._known or bool(self._heads))

    def _advance(self, number: int) -> bool:
        """Look at the next event of a partition; False if it is not known what that is."""
        record = next(self._unread[number], None)
        if record is None:
            self._place[number] = self._slices[number].next_offset
            return self._slices[number].at_end
        event = feed_event(self._codec, record)
        heapq.heappush(self._heads, (event.occurred_at, number, event))
        return True
