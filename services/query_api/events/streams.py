"""Streams of server-sent events, all together: the live reader behind them, their heartbeat, and their end."""

from __future__ import annotations

import asyncio
from typing import Final

from services.query_api.events.live import Live
from services.query_api.events.pages import Pages
from services.query_api.events.places import Places
from services.query_api.events.rendering import Wanted
from services.query_api.events.stream import Pulse, Stream
from tensorfleet.domain.errors import FeedUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.events.feed import Feed, Place
from tensorfleet.http.event_stream import OpenStreams

HEARTBEAT_SECONDS: Final = 15
_TICK_SECONDS: Final = 1.0


class EventStreams:
    """The live reader starts with the first stream; one that failed is replaced when the next stream begins."""

    def __init__(self, feed: Feed, codec: Codec, places: Places, open_streams: OpenStreams) -> None:
        self._feed = feed
        self._codec = codec
        self._places = places
        self._open = open_streams
        self._starting = asyncio.Lock()
        self._live: Live | None = None
        self._pulse = Pulse()
        self.pages = Pages(feed, codec)

    async def begin(self, place: Place | None, wanted: Wanted) -> Stream:
        """A stream from `place` on, or from now. FeedUnavailable; NoSuchPlace."""
        live = await self._running()
        await live.current()
        if place is None:
            return Stream(live, self.pages, self._places, wanted, self._pulse)
        await live.read_up_to(place)
        page = None if live.keeps(place, wanted) else await self.pages.after(place, wanted, Stream.PAGE)
        return Stream(live, self.pages, self._places, wanted, self._pulse, place, page)

    async def run(self) -> None:
        """The heartbeat of all streams, and the end of those whose clients do not read; for ever."""
        ticks = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._open.drop_stalled()
            ticks += 1
            if ticks % HEARTBEAT_SECONDS == 0:
                self._pulse.beats += 1
                self._nudge()

    def end(self) -> None:
        """Every stream ends now, and no other begins: the process stops."""
        self._pulse.ended = True
        self._nudge()

    async def close(self) -> None:
        self.end()
        async with self._starting:
            if self._live is not None:
                await self._live.close()
        await self.pages.close()

    def _nudge(self) -> None:
        if self._live is not None:
            self._live.nudge()

    async def _running(self) -> Live:
        async with self._starting:
            if self._pulse.ended:
                raise FeedUnavailable("This instance is stopping.")
            if self._live is not None and self._live.failure is not None:
                await self._live.close()
                self._live = None
            if self._live is None:
                self._live = Live(self._feed, self._codec, self._places, await self._feed.ends())
            return self._live
