"""A listener with TLS before a server without: what it takes it passes on, both ways."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Front:
    """`address` is a host:port on this machine; `believed` counts the clients that took its certificate for good."""

    address: str = ""
    believed: int = 0


@contextmanager
def tls_front(server: str, shown: ssl.SSLContext) -> Iterator[Front]:
    """A listener in front of `server`, a host:port."""
    front = Front()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host, _, port = server.rpartition(":")

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        front.believed += 1
        with suppress(asyncio.CancelledError):  # the streams would report it as an error
            beyond = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_pass_on(reader, beyond[1]), _pass_on(beyond[0], writer), return_exceptions=True)

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(take, "127.0.0.1", 0, ssl=shown)

    try:
        listener = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
        front.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield front
        loop.call_soon_threadsafe(listener.close)
    finally:
        asyncio.run_coroutine_threadsafe(_end_all(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
