"""Sending a blob, and counting it before its last chunk goes out: no file arrives whole that Kafka does not know of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from tensorfleet.blobs.store import BlobReader
from tensorfleet.domain.errors import BlobsUnavailable, DependencyUnavailable

logger = logging.getLogger(__name__)
Count = Callable[[], Awaitable[None]]
Failed = Callable[[BlobsUnavailable], Awaitable[None]]
"""Called when the bytes of the blob can't be had, or turn out not to be those of the blob."""


class Uncounted:
    """The Count of what is no download."""

    async def __call__(self) -> None:
        return None


class Transfer:
    def __init__(self, count: Count, failed: Failed, timeout_seconds: float) -> None:
        self._count = count
        self._failed = failed
        self._timeout_seconds = timeout_seconds

    async def begin(self, reader: BlobReader, status: int, headers: dict[str, str]) -> Response:
        """The answer, once two chunks are here, or all: until then a failing server is a clean 503."""
        try:
            first = await anext(reader, None)
            second = await anext(reader, None) if first is not None else None
            if second is None:
                await self._count()
        except BaseException as error:
            await reader.aclose()
            if isinstance(error, BlobsUnavailable):
                await self._failed(error)
            raise
        if first is None or second is None:
            return Response(first or b"", status, headers)
        chunks = self._chunks(first, second, reader)
        return _Streamed(chunks, status, headers, reader, self._failed, self._timeout_seconds)

    async def _chunks(self, first: bytes, second: bytes, reader: BlobReader) -> AsyncIterator[bytes]:
        """One chunk is always held back, so that the last is known to be the last."""
        yield first
        held = second
        async for chunk in reader:
            yield held
            held = chunk
        await self._count()
        yield held


class _Streamed(StreamingResponse):
    """Ends the connection before the announced length is reached if the blob store, Kafka or the client fails."""

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        status: int,
        headers: dict[str, str],
        reader: BlobReader,
        failed: Failed,
        timeout_seconds: float,
    ) -> None:
        super().__init__(chunks, status, headers)
        self._reader = reader
        self._failed = failed
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Returning without the last message makes the server close the connection; the client misses bytes."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await super().__call__(scope, receive, send)
        except (DependencyUnavailable, TimeoutError) as error:
            logger.warning("A download was cut short: %s", error or "it took too long")
            if isinstance(error, BlobsUnavailable):
                await self._failed(error)
        finally:
            await self._reader.aclose()
