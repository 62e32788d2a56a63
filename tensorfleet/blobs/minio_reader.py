"""Reading one object of MinIO from the event loop: a thread reads ahead of the consumer, and hashes what it reads."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Final, Self

from urllib3 import BaseHTTPResponse

from tensorfleet.blobs.minio_client import translated
from tensorfleet.domain.errors import BlobCorrupt, BlobsUnavailable

CHUNK_BYTES: Final = 1024 * 1024
AHEAD: Final = 3
"""Chunks that are read and not yet asked for, at most: so the thread goes on while the loop sends."""
TURN: Final = 8
"""Chunks after which a thread is given up to whoever else waits for one."""


class MinioReader:
    """A BlobReader. The response is touched by one thread at a time: by the turn under way, and closed after it.

    The thread that reads a chunk hashes it as well, before it gives it away: it keeps back the last one if the hash is
    wrong. Turns are given by the event loop; a turn ends when AHEAD chunks are waiting, and after TURN chunks.
    """

    def __init__(
        self, response: BaseHTTPResponse | None, length: int, executor: Executor, expected: str | None
    ) -> None:
        """No response: an empty blob, or an empty part of one. `expected`: the SHA-256 of it all, to be verified."""
        self._loop = asyncio.get_running_loop()
        self._executor = executor
        self._response = response
        self._expected = expected
        self._sha256 = hashlib.sha256()
        self._unread = length
        """Bytes; only a turn changes it, and the loop looks at it between two."""
        self._unasked = length
        self._chunks_read = 0
        self._chunks_asked = 0
        self._ready: deque[bytes | BaseException] = deque()
        self._arrival = asyncio.Event()
        self._turn: Future[None] | None = None
        self._go_on()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._response is None:
            raise StopAsyncIteration
        try:
            while not self._ready:
                self._arrival.clear()
                await self._arrival.wait()
            chunk = self._ready.popleft()
            if isinstance(chunk, BaseException):
                raise chunk
        except BaseException:
            await self.aclose()
            raise
        self._unasked -= len(chunk)
        self._chunks_asked += 1
        if self._unasked:
            self._go_on()
        else:
            await self.aclose()
        return chunk

    async def aclose(self) -> None:
        response, self._response = self._response, None
        self._ready.clear()
        if response is None:
            return
        if self._turn is None:
            close_response(response)
        else:
            self._turn.add_done_callback(lambda _: close_response(response))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def _has_room(self) -> bool:
        return self._chunks_read - self._chunks_asked < AHEAD and self._unread > 0

    def _go_on(self) -> None:
        if self._turn is None and self._response is not None and self._has_room:
            self._turn = self._executor.submit(self._take_turn, self._response)

    def _take_turn(self, response: BaseHTTPResponse) -> None:
        """In a thread."""
        for _ in range(TURN):
            if self._response is None or not self._has_room:
                break
            try:
                chunk: bytes | BaseException = self._read(response, min(CHUNK_BYTES, self._unread))
            except BaseException as error:
                self._unread = 0
                chunk = error
            self._chunks_read += 1
            self._loop.call_soon_threadsafe(self._arrive, chunk)
        self._loop.call_soon_threadsafe(self._end_turn)

    def _arrive(self, chunk: bytes | BaseException) -> None:
        if self._response is not None:
            self._ready.append(chunk)
            self._arrival.set()

    def _end_turn(self) -> None:
        self._turn = None
        self._go_on()

    def _read(self, response: BaseHTTPResponse, size: int) -> bytes:
        with translated():
            chunk = response.read(size, decode_content=False)
        if len(chunk) != size and self._expected is not None:
            raise BlobCorrupt(self._expected)  # a connection that broke is an error of its own: the object is shorter
        if len(chunk) != size:
            raise BlobsUnavailable("The blob store ended a file before its last byte.")
        self._unread -= size
        if self._expected is not None:
            self._sha256.update(chunk)
            if not self._unread and self._sha256.hexdigest() != self._expected:
                raise BlobCorrupt(self._expected)
        return chunk


def close_response(response: BaseHTTPResponse) -> None:
    """A response read to its end gave its connection back by itself; any other closes it, unread bytes and all."""
    response.close()
    response.release_conn()
