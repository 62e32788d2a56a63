"""Reading one object of MinIO from the event loop, a block ahead of the consumer."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Self

from urllib3 import BaseHTTPResponse

from tensorfleet.blobs.minio_client import translated
from tensorfleet.domain.errors import BlobCorrupt, BlobsUnavailable

CHUNK_BYTES = 1024 * 1024


class MinioReader:
    """A BlobReader. The response is touched by one thread at a time: by the read under way, and closed after it.

    A second thread hashes a chunk while the next one is read and this one is sent; only the last one waits for it.
    """

    def __init__(
        self,
        response: BaseHTTPResponse | None,
        length: int,
        executor: Executor,
        *,
        expected: str | None,
        hashing: Executor,
    ) -> None:
        """No response: an empty blob, or an empty part of one. `expected`: the SHA-256 of it all, to be verified."""
        self._expected = expected
        self._hashing = hashing
        self._sha256 = hashlib.sha256()
        self._hashed: asyncio.Future[None] | None = None
        self._response = response
        self._missing = length
        self._executor = executor
        self._ahead: Future[bytes] | None = None
        if response is not None:
            self._ahead = executor.submit(self._read, response, min(CHUNK_BYTES, length))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._response is None or self._ahead is None:
            raise StopAsyncIteration
        try:
            chunk = await asyncio.wrap_future(self._ahead)
            self._missing -= len(chunk)
            if self._missing:
                self._ahead = self._executor.submit(self._read, self._response, min(CHUNK_BYTES, self._missing))
            if self._expected is not None:
                await self._verify(chunk, self._expected)
        except BaseException:
            await self.aclose()
            raise
        if not self._missing:
            await self.aclose()
        return chunk

    async def _verify(self, chunk: bytes, expected: str) -> None:
        """Begin to hash the chunk; BlobCorrupt if it is the last, and all of them are not what was expected."""
        if self._hashed is not None:
            await self._hashed
        self._hashed = asyncio.get_running_loop().run_in_executor(self._hashing, self._sha256.update, chunk)
        if not self._missing:
            await self._hashed
            if self._sha256.hexdigest() != expected:
                raise BlobCorrupt(expected)

    async def aclose(self) -> None:
        response, self._response = self._response, None
        if response is not None and self._ahead is not None:
            self._ahead.add_done_callback(lambda _: close_response(response))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _read(self, response: BaseHTTPResponse, size: int) -> bytes:
        with translated():
            chunk = response.read(size, decode_content=False)
        if len(chunk) != size and self._expected is not None:
            raise BlobCorrupt(self._expected)  # a connection that broke is an error of its own: the object is shorter
        if len(chunk) != size:
            raise BlobsUnavailable("The blob store ended a file before its last byte.")
        return chunk


def close_response(response: BaseHTTPResponse) -> None:
    """A response read to its end gave its connection back by itself; any other closes it, unread bytes and all."""
    response.close()
    response.release_conn()
