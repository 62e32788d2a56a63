"""uvicorn's HTTP/1.1 on httptools, with bounds: on heads, on connections, and on how long a client may take."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tensorfleet.domain.errors import HeadersTooLarge, Malformed, RegistryError, TooSlow
from tensorfleet.http.json import dumps
from tensorfleet.http.problems import problem_members, problem_response
from tensorfleet.http.serving.connections import Connection, Connections

HEAD_BYTES: Final = 64 * 1024
"""Of the request line and all headers; as much may come without the parser making anything of it."""
HEADERS: Final = 100
HEAD_SECONDS: Final = 5.0
"""From the connection, or the first byte of a later request, to the end of the head."""
REST_SECONDS: Final = 10.0
"""For the rest of a body whose request is answered already; and to take the rest of the last answer."""
TAKE_SECONDS: Final = 60.0
"""For a client to take anything at all of what is sent."""
LINGER_SECONDS: Final = 1.0
"""Between a refusal and the end of the connection: closed at once, it would be reset, and the refusal lost."""


class BoundedProtocol(HttpToolsProtocol):
    def __init__(self, connections: Connections, place: Connection | None = None, **given: Any) -> None:
        """`place`: what the client was counted as until now."""
        super().__init__(**given)
        self._open = connections
        self._place = place
        self._head_since: float | None = None
        self._silent = True
        self._head_bytes = 0
        self._barren_bytes = 0
        """Taken by the parser since it last made something of them."""
        self._receiving = False
        """The head of a request is here, its body not all."""
        self._rest_since: float | None = None
        self._refused_at: float | None = None
        self._wrong: RegistryError | None = None
        self._unsent = (0, 0.0)
        """Bytes that the client has not taken, and since when they are that many."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()
        refusal = self._open.opened(self, self.client[0] if self.client else "", self._place)
        if refusal is not None:
            self._refuse(refusal)
            if self._open.overrun:
                transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused_at is not None:
            return
        self._silent = False
        if self._head_since is None and not self._receiving:
            self._head_since = self.loop.time()
        self._barren_bytes += len(data)
        super().data_received(data)
        if self._barren_bytes > HEAD_BYTES and self._refused_at is None:
            self._refuse(_too_large())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers count too: uvicorn appends them to the headers."""
        if len(self.headers) >= HEADERS:
            self._fail()
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._barren_bytes = 0
        self._head_since = None
        self._receiving = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._barren_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._barren_bytes = 0
        self._receiving = False
        self._rest_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._wrong or Malformed("This is no HTTP/1.1 request."))

    def look(self, now: float) -> None:
        """End the connection if it has kept us waiting for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent[0] or not unsent:
            self._unsent = (unsent, now)
        answering = self.cycle is not None and not self.cycle.response_complete
        if self._refused_at is not None:
            if now - self._refused_at >= LINGER_SECONDS:
                self.transport.abort()
        elif now - self._unsent[1] >= TAKE_SECONDS:
            self.transport.abort()
        elif answering:
            self._head_since = None if self._head_since is None else now
        elif self._receiving or self.transport.is_closing():
            self._rest_since = now if self._rest_since is None else self._rest_since
            if now - self._rest_since >= REST_SECONDS:
                self.transport.abort()
        elif self._head_since is not None and now - self._head_since >= HEAD_SECONDS:
            if self._silent:  # an answer would be taken for that to a request which is just on its way
                self.transport.close()
                return
            self._refuse(TooSlow(f"The head of the request did not come within {HEAD_SECONDS:g} s."))

    def _count(self, size: int) -> None:
        self._barren_bytes = 0
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            self._fail()

    def _fail(self) -> None:
        self._wrong = _too_large()
        raise self._wrong

    def _refuse(self, error: RegistryError) -> None:
        """Answer without the app, and read no more; if an answer is under way, nothing can be said."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.transport.is_closing():
            self.transport.abort()
            return
        self._refused_at = self.loop.time()
        answer = problem_response(problem_members(error), {"Connection": "close"})
        lines = [b"%s: %s\r\n" % header for header in answer.raw_headers]
        reason = dumps(error.code).strip(b'"')
        self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (answer.status_code, reason, b"".join(lines), answer.body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()


def _too_large() -> HeadersTooLarge:
    return HeadersTooLarge(f"At most {HEADERS} headers, and {HEAD_BYTES} bytes with the request line.")
