"""The live end of the feed: one reader for the whole process, and the newest events in memory for all streams."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.query_api.events.places import Places
from services.query_api.events.rendering import FeedEvent, Wanted, feed_event
from tensorfleet.domain.errors import FeedUnavailable, RegistryError
from tensorfleet.events.codec import Codec
from tensorfleet.events.feed import Burst, Feed, Following, Place
from tensorfleet.http.json import dumps
from tensorfleet.kafka.records import EndOfPartition

MOST_FRAMES: Final = 10_000
MOST_BYTES: Final = 32 * 1024 * 1024
FROM_BEFORE: Final = 500
"""So many offsets of each partition are read before the end: whoever comes back after a restart finds them here."""
CHECK_SECONDS: Final = 3.0
BEHIND_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Frame:
    """An event as streams send it. `text` carries `place`: the one behind it, in the order in which we read it."""

    partition: int
    offset: int
    occurred_at: int
    event_type: str
    model_id: str
    model_name: str
    json: bytes
    place: Place
    text: bytes


def frame_text(token: str, json: bytes) -> bytes:
    """No event name: a browser's `onmessage` then sees every type, those of later releases too."""
    return b"id: %s\ndata: %s\n\n" % (token.encode(), json)


class Live:
    """`frames` in the order of their arrival; a stream keeps the number of the one that it sends next.

    Numbers count from 0 and never change; the oldest frames go when there are too many, or they are too large.
    """

    def __init__(self, feed: Feed, codec: Codec, places: Places, ends: Place) -> None:
        self._codec = codec
        self._places = places
        self._feed = feed
        self._ends = ends
        begin = tuple(max(0, end - FROM_BEFORE) for end in ends)
        self._frames: list[Frame] = []
        self._bytes = 0
        self.first = 0
        self._oldest = list(begin)  # what is kept of each partition begins here
        self._after_last = list(begin)  # and its last event stands right before here
        self._read_to = list(begin)
        self.failure: RegistryError | None = None
        self._changed = asyncio.Event()
        self._following: Following = feed.follow(begin, self._on_burst, self._on_failure)
        self._checking = asyncio.create_task(self._check())

    @property
    def end(self) -> int:
        """The number that the next frame will have."""
        return self.first + len(self._frames)

    @property
    def place(self) -> Place:
        """The one behind all frames."""
        return tuple(self._after_last)

    def frames(self, number: int, most: int) -> Sequence[Frame]:
        """Those from `number` on, which must not be gone."""
        begin = number - self.first
        return self._frames[begin : begin + most]

    def keeps(self, place: Place, wanted: Wanted) -> bool:
        """Whether everything wanted that follows `place` is here, or still to come."""
        return all(place[one] >= self._oldest[one] for one in wanted.partitions(len(place)))

    def has_all_of(self, place: Place, wanted: Wanted) -> bool:
        """Whether `place` is behind all that has come so far, so that only frames to come are still to be sent."""
        return all(place[one] >= self._after_last[one] for one in wanted.partitions(len(place)))

    def following(self, place: Place, wanted: Wanted, most: int) -> list[Frame]:
        """Frames of the wanted partitions from `place` on, earliest first, each partition in order."""
        queues = [
            [one for one in self._frames if one.partition == number and one.offset >= place[number]]
            for number in wanted.partitions(len(place))
        ]
        return list(heapq.merge(*queues, key=lambda one: (one.occurred_at, one.partition)))[:most]

    async def read_up_to(self, place: Place) -> None:
        """Until this process has read as far as `place`, which another one may have made. FeedUnavailable."""
        await self._until(lambda: all(mine >= given for mine, given in zip(self._read_to, place, strict=True)))

    async def current(self) -> None:
        """Until all that was in the feed when the reader began is here. FeedUnavailable."""
        await self.read_up_to(self._ends)

    async def changed(self) -> None:
        """Until more has come, or `nudge` was called."""
        await self._changed.wait()

    def nudge(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def close(self) -> None:
        self._checking.cancel()
        await self._following.stop()

    async def _until(self, condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(BEHIND_SECONDS):
                while not condition() and self.failure is None:
                    await self.changed()
        except TimeoutError:
            raise FeedUnavailable("Kafka does not give out the end of the feed in time.") from None
        if self.failure is not None:
            raise FeedUnavailable(self.failure.detail)

    def _on_burst(self, burst: Burst) -> None:
        for one in burst:
            if isinstance(one, EndOfPartition):
                self._read_to[one.partition] = max(self._read_to[one.partition], one.offset)
            else:
                self._add(feed_event(self._codec, one))
        self._forget()
        self.nudge()

    def _add(self, event: FeedEvent) -> None:
        self._after_last[event.partition] = self._read_to[event.partition] = event.offset + 1
        json, place, envelope = dumps(event.members()), tuple(self._after_last), event.envelope
        text = frame_text(self._places.token(place), json)
        head = (
            event.partition,
            event.offset,
            event.occurred_at,
            envelope.event_type,
            envelope.model_id,
            envelope.model_name,
        )
        self._frames.append(Frame(*head, json, place, text))
        self._bytes += len(text) + len(json)

    def _forget(self) -> None:
        """Down to the limits; rarely, for it moves what stays."""
        if len(self._frames) <= MOST_FRAMES * 5 // 4 and self._bytes <= MOST_BYTES * 5 // 4:
            return
        gone = 0
        while len(self._frames) - gone > MOST_FRAMES or self._bytes > MOST_BYTES:
            one = self._frames[gone]
            self._bytes -= len(one.text) + len(one.json)
            self._oldest[one.partition] = one.offset + 1
            gone += 1
        del self._frames[:gone]
        self.first += gone

    def _on_failure(self, error: BaseException) -> None:
        """What Kafka does ends the streams, which come back; anything else ends the process."""
        if not isinstance(error, RegistryError):
            raise error
        if self.failure is None:
            self.failure = error
        self.nudge()

    async def _check(self) -> None:
        """The reader itself is silent when Kafka is: so ask where the feed ends, and whether it got as far as that."""
        ends = self._ends
        while self.failure is None:
            await asyncio.sleep(CHECK_SECONDS)
            if any(mine < end for mine, end in zip(self._read_to, ends, strict=True)):
                self._on_failure(FeedUnavailable("The reader of the feed does not get on."))
                return
            try:
                ends = await self._feed.ends()
            except FeedUnavailable as error:
                self._on_failure(error)
