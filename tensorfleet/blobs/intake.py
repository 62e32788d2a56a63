"""Taking in content of unknown length: regrouped into blocks, counted against a limit, hashed beside the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import Executor

from tensorfleet.domain.errors import ChecksumMismatch, TooLarge

BLOCK_BYTES = 1024 * 1024


class Intake:
    """`blocks()` is iterated once, to its end; after that `checksum()` and `size_bytes` describe all of it."""

    def __init__(self, chunks: AsyncIterator[bytes], max_bytes: int, hashing: Executor) -> None:
        self.size_bytes = 0
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._executor = hashing
        self._sha256 = hashlib.sha256()
        self._hashed: asyncio.Future[None] | None = None

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The content in blocks of at least BLOCK_BYTES, but for the last. TooLarge with the first byte too many."""
        waiting: list[bytes] = []
        waiting_bytes = 0
        async for chunk in self._chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > self._max_bytes:
                raise TooLarge(f"The file has more than {self._max_bytes} bytes.")
            waiting.append(chunk)
            waiting_bytes += len(chunk)
            if waiting_bytes >= BLOCK_BYTES:
                block = b"".join(waiting)
                waiting, waiting_bytes = [], 0
                await self._hash(block)
                yield block
        if waiting_bytes:
            block = b"".join(waiting)
            await self._hash(block)
            yield block

    async def checksum(self, expected: str | None) -> str:
        """The SHA-256 of everything, as hex digits. ChecksumMismatch if another one was expected."""
        if self._hashed is not None:
            await self._hashed
        actual = self._sha256.hexdigest()
        if expected is not None and actual != expected:
            raise ChecksumMismatch(f"The file's checksum is sha256:{actual}, not the announced sha256:{expected}.")
        return actual

    async def _hash(self, block: bytes) -> None:
        """Hash this block while the next one arrives; at most one is being hashed, so that the order holds."""
        if self._hashed is not None:
            await self._hashed
        self._hashed = asyncio.get_running_loop().run_in_executor(self._executor, self._sha256.update, block)
