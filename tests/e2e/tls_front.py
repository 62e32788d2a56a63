"""A listener with TLS before a server without: what it takes it passes on, both ways."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def tls_front(server: str, shown: ssl.SSLContext) -> Iterator[str]:
    """The address of a listener on this machine, in front of `server`, both as host:port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host, _, port = server.rpartition(":")

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        beyond = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pass_on(reader, beyond[1]), _pass_on(beyond[0], writer), return_exceptions=True)

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(take, "127.0.0.1", 0, ssl=shown)

    try:
        listener = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
        yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        loop.call_soon_threadsafe(listener.close)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
