"""One client's stream: from its place through what it has missed to the live end, without a gap or a repeat."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from services.query_api.events.live import Frame, Live, frame_text
from services.query_api.events.pages import Page, Pages
from services.query_api.events.places import Places
from services.query_api.events.rendering import Wanted
from tensorfleet.domain.errors import FeedUnavailable
from tensorfleet.events.feed import NoSuchPlace, Place
from tensorfleet.http.json import dumps

_LOG = logging.getLogger(__name__)
RETRY_MILLISECONDS: Final = 1_000
_MOST_BYTES_AT_ONCE: Final = 64 * 1024


@dataclass(slots=True)
class Pulse:
    """What all streams share: how often the heart has beaten, and whether the end has come."""

    beats: int = 0
    ended: bool = False


class Stream:
    """`page` is the first one, read before the answer began, if `place` lies before what the live reader keeps."""

    PAGE: ClassVar = 500
    BATCH: ClassVar = 200

    def __init__(
        self,
        live: Live,
        pages: Pages,
        places: Places,
        wanted: Wanted,
        pulse: Pulse,
        place: Place | None = None,
        page: Page | None = None,
    ) -> None:
        self._live = live
        self._pages = pages
        self._places = places
        self._wanted = wanted
        self._pulse = pulse
        self._place = place
        self._page = page
        self._number = live.end
        """Of the next frame to send, once all before it is sent; else `_place` is not None and says what comes next."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield b"retry: %d\nid: %s\n\n" % (RETRY_MILLISECONDS, self._token(self._place or self._live.place))
        try:
            while not self._over:
                async for chunk in self._missed() if self._place is not None else self._new():
                    yield chunk
        except (FeedUnavailable, NoSuchPlace) as error:
            _LOG.warning("a stream of events ends: %s", error)

    async def _missed(self) -> AsyncGenerator[bytes, None]:
        """Pages from Kafka until the live reader keeps all that follows, then what it keeps."""
        live, wanted = self._live, self._wanted
        while self._place is not None and not self._over:
            await live.read_up_to(self._place)
            if live.has_all_of(self._place, wanted):
                self._number, self._place = live.end, None  # nothing may be awaited between the question and this
                return
            if live.keeps(self._place, wanted):
                frames = live.following(self._place, wanted, self.BATCH)
                events = [(one.partition, one.offset, one.json if self._takes(one) else None) for one in frames]
                self._place, texts = self._with_places(self._place, events)
            else:
                page = self._page or await self._pages.after(self._place, wanted, self.PAGE)
                self._page = None
                events = [(one.partition, one.offset, dumps(one.members())) for one in page.events]
                _, texts = self._with_places(self._place, events)
                self._place = page.next
            for chunk in _chunks(texts):
                yield chunk

    async def _new(self) -> AsyncGenerator[bytes, None]:
        """What comes, until more has come than is kept: then the client is behind again."""
        live, beats, behind = self._live, self._pulse.beats, self._live.place
        while not self._over:
            if self._number < live.first:
                self._place = behind
                return
            frames = live.frames(self._number, self.BATCH)
            self._number += len(frames)
            if frames:
                behind = frames[-1].place
                for chunk in _chunks(one.text for one in frames if self._takes(one)):
                    yield chunk
            elif beats != self._pulse.beats:
                beats = self._pulse.beats
                yield b": heartbeat\nid: %s\n\n" % self._token(live.place)
            else:
                await live.changed()

    @property
    def _over(self) -> bool:
        return self._pulse.ended or self._live.failure is not None

    def _token(self, place: Place) -> bytes:
        return self._places.token(place).encode()

    def _takes(self, frame: Frame) -> bool:
        return self._wanted.takes(frame.event_type, frame.model_id, frame.model_name)

    def _with_places(self, place: Place, events: Iterable[tuple[int, int, bytes | None]]) -> tuple[Place, list[bytes]]:
        """Partition, offset and JSON of each event; the place behind them, and the texts, each with its own."""
        behind, texts = list(place), []
        for partition, offset, json in events:
            behind[partition] = offset + 1
            if json is not None:
                texts.append(frame_text(self._places.token(tuple(behind)), json))
        return tuple(behind), texts


def _chunks(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Joined, but not much: a chunk is what a client that does not read costs."""
    held: list[bytes] = []
    size = 0
    for one in texts:
        held.append(one)
        size += len(one)
        if size >= _MOST_BYTES_AT_ONCE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
