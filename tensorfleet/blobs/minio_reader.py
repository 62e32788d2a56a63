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

    The thread that reads a chunk hashes it as well: all that is left to do at the end is to compare.
    """

    def __init__(
        self, response: BaseHTTPResponse | None, length: int, executor: Executor, expected: str | None
    ) -> None:
        """No response: an empty blob, or an empty part of one. `expected`: the SHA-256 of it all, to be verified."""
        self._expected = expected
        self._sha256 = hashlib.sha256()
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
        except BaseException:
            await self.aclose()
            raise
        self._missing -= len(chunk)
        if not self._missing and self._expected not in (None, self._sha256.hexdigest()):
            await self.aclose()
            raise BlobCorrupt(str(self._expected))
        if self._missing:
            self._ahead = self._executor.submit(self._read, self._response, min(CHUNK_BYTES, self._missing))
        else:
            await self.aclose()
        return chunk

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
        if self._expected is not None:
            self._sha256.update(chunk)
        return chunk


def close_response(response: BaseHTTPResponse) -> None:
    """A response read to its end gave its connection back by itself; any other closes it, unread bytes and all."""
    response.close()
    response.release_conn()
