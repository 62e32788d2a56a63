"""Reading ahead of whoever sends: how far, in which order, and what is kept back when the bytes are wrong."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from urllib3 import BaseHTTPResponse

from tensorfleet.blobs.minio_reader import AHEAD, CHUNK_BYTES, TURN, MinioReader
from tensorfleet.domain.errors import BlobCorrupt, BlobsUnavailable

CONTENT = b"".join(number.to_bytes(4, "big") for number in range((2 * TURN + 1) * CHUNK_BYTES // 4)) + b"rest"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


class Response:
    """Of CONTENT up to `length`; `reads` are the sizes asked for."""

    def __init__(self, length: int = len(CONTENT)) -> None:
        self.reads: list[int] = []
        self.closed = 0
        self.full = threading.Event()
        self._content = memoryview(CONTENT)[:length]

    def read(self, size: int, *, decode_content: bool) -> bytes:
        assert not self.closed and not decode_content
        self.reads.append(size)
        if len(self.reads) == AHEAD:
            self.full.set()
        chunk, self._content = self._content[:size], self._content[size:]
        return bytes(chunk)

    def close(self) -> None:
        self.closed += 1

    def release_conn(self) -> None: ...


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def reader_of(response: Response, pool: ThreadPoolExecutor, expected: str | None = CHECKSUM) -> MinioReader:
    return MinioReader(cast(BaseHTTPResponse, response), len(CONTENT), pool, expected)


def test_the_chunks_come_in_order_and_the_response_is_closed_once() -> None:
    async def work() -> None:
        response = Response()
        with ThreadPoolExecutor(1) as pool:
            chunks = [one async for one in reader_of(response, pool)]
        assert b"".join(chunks) == CONTENT
        assert response.reads == [CHUNK_BYTES] * (2 * TURN + 1) + [4]
        assert response.closed == 1

    run(work())


def test_no_more_is_read_than_there_is_room_for_and_a_slow_consumer_keeps_no_thread() -> None:
    async def work() -> None:
        slow, other = Response(), Response()
        with ThreadPoolExecutor(1) as pool:
            reader = reader_of(slow, pool)
            await asyncio.to_thread(slow.full.wait)
            assert b"".join([one async for one in reader_of(other, pool)]) == CONTENT
            assert len(slow.reads) == AHEAD
            assert await anext(reader) == CONTENT[:CHUNK_BYTES]
            await reader.aclose()
            await reader.aclose()
        assert AHEAD <= len(slow.reads) <= AHEAD + 1
        assert slow.closed == 1
        with pytest.raises(StopAsyncIteration):
            await anext(reader)

    run(work())


def test_whoever_is_fast_gives_its_thread_to_others_in_between() -> None:
    """The first is never so far ahead that it has to stop for that."""

    class Paced(Response):
        allowed = threading.Semaphore(2)

        def read(self, size: int, *, decode_content: bool) -> bytes:
            self.allowed.acquire()
            return super().read(size, decode_content=decode_content)

    class Second(Response):
        reads_of_first = 0

        def read(self, size: int, *, decode_content: bool) -> bytes:
            self.reads_of_first = self.reads_of_first or len(first.reads)
            return super().read(size, decode_content=decode_content)

    first, second = Paced(), Second()

    async def work() -> None:
        with ThreadPoolExecutor(1) as pool:
            readers = [reader_of(one, pool, None) for one in (first, second)]
            async for _ in readers[0]:
                first.allowed.release()
            async for _ in readers[1]:
                pass

    run(work())
    assert second.reads_of_first == TURN


@pytest.mark.parametrize(
    ("length", "expected", "error"),
    [
        (len(CONTENT), "0" * 64, BlobCorrupt),
        (len(CONTENT) - 1, CHECKSUM, BlobCorrupt),
        (CHUNK_BYTES + 1, CHECKSUM, BlobCorrupt),
        (len(CONTENT) - 1, None, BlobsUnavailable),
    ],
)
def test_the_last_chunk_of_what_is_wrong_never_comes(length: int, expected: str | None, error: type[Exception]) -> None:
    async def work() -> None:
        response, got = Response(length), b""
        with ThreadPoolExecutor(1) as pool:
            reader = reader_of(response, pool, expected)
            with pytest.raises(error):
                async for chunk in reader:
                    got += chunk
        assert got == CONTENT[: (min(length, len(CONTENT) - 1) // CHUNK_BYTES) * CHUNK_BYTES]
        assert response.closed == 1

    run(work())


def test_whoever_waits_for_a_chunk_and_is_cancelled_closes_the_response_after_the_read() -> None:
    async def work() -> None:
        reading, go_on = threading.Event(), threading.Event()

        class Hanging(Response):
            def read(self, size: int, *, decode_content: bool) -> bytes:
                reading.set()
                go_on.wait()
                return super().read(size, decode_content=decode_content)

        response = Hanging()
        with ThreadPoolExecutor(1) as pool:
            waiting = asyncio.ensure_future(anext(reader_of(response, pool)))
            await asyncio.to_thread(reading.wait)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not response.closed
            go_on.set()
        assert (len(response.reads), response.closed) == (1, 1)

    run(work())
