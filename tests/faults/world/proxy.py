"""A TCP proxy between the services and one server, which can delay, cut, hold back and half-open connections."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter

from devstack.ports import HOST

_CHUNK = 64 * 1024


class Link:
    """Passes bytes both ways until told otherwise. `mend` ends every fault."""

    def __init__(self, name: str, port: int, target: int) -> None:
        self.name = name
        self.port = port
        self._target = target
        self._delay = 0.0
        self._refuses = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def delay(self, seconds: float) -> None:
        """Every piece of data comes later, in both directions and in order."""
        self._delay = seconds

    def cut(self) -> None:
        """Reset every connection, and each new one at once."""
        self._refuses = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def hold_back(self) -> None:
        """Connections stay, and new ones are taken, but nothing comes through."""
        self._flowing.clear()

    def mend(self, *, lose_connections: bool = False) -> None:
        """`lose_connections`: what was held back is lost with its connections; otherwise it arrives late."""
        if lose_connections:
            self.cut()
        self._delay, self._refuses = 0.0, False
        self._flowing.set()

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if not self._refuses:
                await self._connect(reader, writer)
        except OSError:
            pass  # the server is down: the client's connection ends as the server's would
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._flowing.wait()
        far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        self._writers.add(far_writer)
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            far_writer.transport.abort()
            self._writers.discard(far_writer)

    async def _pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while content := await reader.read(_CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._flowing.wait()
                writer.write(content)
                await writer.drain()
