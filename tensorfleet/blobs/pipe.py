"""A bounded pipe from the event loop into a thread that reads it like a file."""

from __future__ import annotations

import asyncio
from queue import SimpleQueue


class PipeBroken(Exception):
    """The other side gave up; its own error says why."""


class Pipe:
    """One task writes blocks, one thread reads bytes. The writer waits while `most_blocks` are unread.

    The reader sees the end only after `end()`. After `fail()` its next read raises PipeBroken, whatever is still
    unread. After `abandon()` (the reader is gone) the writer's next write raises PipeBroken.
    """

    def __init__(self, most_blocks: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(most_blocks)
        self._blocks: SimpleQueue[bytes] = SimpleQueue()
        self._failed = False
        self._abandoned = False
        self._ended = False
        self._rest = memoryview(b"")

    async def write(self, block: bytes) -> None:
        await self._room.acquire()
        if self._abandoned:
            raise PipeBroken
        if block:
            self._blocks.put(block)

    def end(self) -> None:
        self._blocks.put(b"")

    def fail(self) -> None:
        self._failed = True
        self._blocks.put(b"")

    def abandon(self) -> None:
        """Called on the event loop."""
        self._abandoned = True
        self._room.release()

    def read(self, size: int) -> bytes:
        """Called in the thread: exactly `size` bytes, fewer only at the end."""
        pieces: list[memoryview] = []
        missing = size
        while missing and self._fill():
            piece = self._rest[:missing]
            self._rest = self._rest[len(piece) :]
            missing -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _fill(self) -> bool:
        """Have unread bytes at hand; False at the end."""
        if self._failed:
            raise PipeBroken
        if self._rest or self._ended:
            return not self._ended
        block = self._blocks.get()
        if self._failed:
            raise PipeBroken
        self._loop.call_soon_threadsafe(self._room.release)
        self._rest = memoryview(block)
        self._ended = not block
        return not self._ended
