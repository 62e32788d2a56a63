"""Takes connections by TLS, and counts each from its beginning.

asyncio's own server tells nobody of a client before they have agreed on TLS, and uvicorn gives it a minute for that: so
long any number of clients could each hold a descriptor, and no limit would know of them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from socket import socket
from typing import Any, Final

from tensorfleet.http.serving.connections import Connection, Connections

_LOG = logging.getLogger(__name__)
HANDSHAKE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05
_AT_ONCE: Final = 100
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
                tasks.create_task(self._greet(*await loop.sock_accept(listening)))
                for one in _waiting(listening):
                    tasks.create_task(self._greet(*one))
            except OSError as error:  # the client is gone again, or no descriptor is free
                _LOG.debug("a connection was not taken: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _greet(self, taken: socket, came_from: Any) -> None:
        """Agree on TLS, with a client that is refused too, which can't be told before; not if too many are refused."""
        place, address = _Place(), came_from[0]
        refusal = self._connections.opened(place, address)
        try:
            if refusal is not None and self._connections.overrun:
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


def _waiting(listening: socket) -> Iterator[tuple[socket, Any]]:
    """Connections that need not be waited for: the loop tells of one in each of its rounds."""
    with suppress(BlockingIOError):
        for _ in range(_AT_ONCE):
            taken, came_from = listening.accept()
            taken.setblocking(False)
            yield taken, came_from


class _Place:
    """That of a client which has not agreed on TLS yet, and has a limit of its own for that."""

    def look(self, now: float) -> None:
        pass
