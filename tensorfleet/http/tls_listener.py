"""Takes connections by TLS, and counts each from its beginning.

asyncio's own server tells nobody of a client before they have agreed on TLS, and uvicorn gives it a minute for that: so
long any number of clients could each hold a descriptor, and no limit would know of them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from socket import socket
from typing import Final

from tensorfleet.http.connections import Connection, Connections

_LOG = logging.getLogger(__name__)
HANDSHAKE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05
Speak = Callable[[Connection], asyncio.Protocol]
"""Makes what talks to a client that has agreed on TLS, and takes over its place among the connections."""


class TlsListener:
    def __init__(
        self, listening: Sequence[socket], context: ssl.SSLContext, connections: Connections, speak: Speak
    ) -> None:
        self._listening = listening
        self._context = context
        self._connections = connections
        self._speak = speak

    async def run(self) -> None:
        """Take connections, until this is cancelled; then nobody listens any more."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for one in self._listening:
                    tasks.create_task(self._take(one, tasks))
        finally:
            for one in self._listening:
                one.close()

    async def _take(self, listening: socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, address = await loop.sock_accept(listening)
            except OSError as error:  # the client is gone again, or no descriptor is free
                _LOG.debug("a connection was not taken: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                tasks.create_task(self._greet(taken, address[0]))

    async def _greet(self, taken: socket, address: str) -> None:
        """Who is one too many is greeted too, for without TLS it can't be told; unless far too many are there."""
        place = _Place()
        self._connections.opened(place, address)
        try:
            if self._connections.overrun:
                taken.close()
            else:
                await self._agree(taken, place)
        except OSError as error:  # as all errors of TLS are
            _LOG.debug("no TLS with %s: %s", address, error)
        finally:
            self._connections.closed(place)

    async def _agree(self, taken: socket, place: Connection) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: self._speak(place), taken, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )


class _Place:
    """That of a client which has not agreed on TLS yet, and has a limit of its own for that."""

    def look(self, now: float) -> None:
        pass
