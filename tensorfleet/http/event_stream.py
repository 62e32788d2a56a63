"""Answers that never end by themselves: server-sent events, and what becomes of clients that do not read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tensorfleet.http.metrics import Metrics

_LOG = logging.getLogger(__name__)
STALLED_SECONDS: Final = 20.0
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # else a reverse proxy keeps events until it has many
}

Chunks = AsyncGenerator[bytes, None]


class OpenStreams:
    """All streams of a process. What a client has not taken is bounded by one chunk and the server's own buffer."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._open: set[EventStreamAnswer] = set()

    def answer(self, chunks: Chunks, may_go_on: Callable[[], bool] = lambda: True) -> EventStreamAnswer:
        """`may_go_on` is asked every second or so."""
        return EventStreamAnswer(chunks, self, may_go_on)

    def drop_stalled(self) -> None:
        """And those that may not go on, for their keys no longer count.

        Call it every second or so. One look at all of them costs less than a timer for each chunk.
        """
        latest = asyncio.get_running_loop().time() - STALLED_SECONDS
        for one in self._open:
            if one.sending_since is not None and one.sending_since < latest:
                one.give_up(stalled=True)
            elif not one.may_go_on():
                one.give_up(stalled=False)

    def opened(self, one: EventStreamAnswer) -> None:
        self._open.add(one)
        self._metrics.open_streams.set(len(self._open))

    def closed(self, one: EventStreamAnswer) -> None:
        self._open.discard(one)
        self._metrics.open_streams.set(len(self._open))
        if one.stalled:
            self._metrics.dropped_streams.inc()
            _LOG.info("a stream of events was dropped: its client does not read")


class EventStreamAnswer(Response):
    """Sends chunks as they come. It ends with them, or when the client goes, or when the client takes nothing."""

    def __init__(self, chunks: Chunks, streams: OpenStreams, may_go_on: Callable[[], bool]) -> None:
        super().__init__(None, 200, _HEADERS)
        self._chunks = chunks
        self._streams = streams
        self._limit = asyncio.timeout(None)
        self.may_go_on = may_go_on
        self.stalled = False
        self.sending_since: float | None = None

    def init_headers(self, headers: object = None) -> None:
        """No Content-Length."""
        self.raw_headers = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self._chunks.aclose()
            await send({"type": "http.response.body", "body": b""})
            return
        self._streams.opened(self)
        listening = asyncio.create_task(self._listen(receive))
        try:
            async with self._limit:
                await self._send_all(send)
        except TimeoutError:
            if not self._limit.expired():
                raise
        finally:
            listening.cancel()
            self._streams.closed(self)
            await self._chunks.aclose()

    def give_up(self, *, stalled: bool) -> None:
        """Returning without the last message makes the server close the connection."""
        self.stalled = stalled
        self._limit.reschedule(0)

    async def _send_all(self, send: Send) -> None:
        now = asyncio.get_running_loop().time
        async for chunk in self._chunks:
            self.sending_since = now()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self.sending_since = None
        await send({"type": "http.response.body", "body": b""})

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.give_up(stalled=False)
