"""The pipe into a thread: its reader takes only `end()` for an end, and neither side waits for one that is gone."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from tensorfleet.blobs.pipe import Pipe, PipeBroken


def test_the_reader_gets_the_sizes_it_asks_for_whatever_was_written() -> None:
    async def scenario() -> list[bytes]:
        pipe = Pipe(most_blocks=4)
        for block in (b"abc", b"", b"d", b"efgh"):
            await pipe.write(block)
        pipe.end()
        return [pipe.read(size) for size in (2, 4, 1, 5, 1)]

    assert asyncio.run(scenario()) == [b"ab", b"cdef", b"g", b"h", b""]


@pytest.mark.parametrize("unread", [b"", b"abc"])
def test_a_reader_that_waits_when_the_writer_fails_sees_no_end(unread: bytes) -> None:
    async def scenario() -> None:
        pipe = Pipe(most_blocks=4)
        with ThreadPoolExecutor() as executor:
            reading = asyncio.get_running_loop().run_in_executor(executor, pipe.read, 10)
            if unread:
                await pipe.write(unread)
            while not waits(pipe):
                await asyncio.sleep(0)
            pipe.fail()
            with pytest.raises(PipeBroken):
                await reading
            with pytest.raises(PipeBroken):
                pipe.read(1)

    def waits(pipe: Pipe) -> bool:
        return pipe._blocks.empty() and bytes(pipe._rest) == b""

    for _ in range(20):  # the reader may be anywhere between its last look and its wait
        asyncio.run(scenario())


def test_a_reader_behind_when_the_writer_fails_reads_no_further() -> None:
    async def scenario() -> None:
        pipe = Pipe(most_blocks=4)
        await pipe.write(b"abc")
        assert pipe.read(1) == b"a"
        pipe.fail()
        with pytest.raises(PipeBroken):
            pipe.read(1)

    asyncio.run(scenario())


def test_the_writer_waits_while_the_pipe_is_full_and_goes_on_when_it_is_read() -> None:
    async def scenario() -> None:
        pipe = Pipe(most_blocks=2)
        await pipe.write(b"a")
        await pipe.write(b"b")
        third = asyncio.create_task(pipe.write(b"c"))
        await asyncio.sleep(0)
        assert not third.done()
        assert await asyncio.to_thread(pipe.read, 1) == b"a"
        await asyncio.wait_for(third, 5)

    asyncio.run(scenario())


def test_a_writer_that_waits_is_told_when_the_reader_is_gone() -> None:
    async def scenario() -> None:
        pipe = Pipe(most_blocks=1)
        await pipe.write(b"a")
        second = asyncio.create_task(pipe.write(b"b"))
        await asyncio.sleep(0)
        pipe.abandon()
        with pytest.raises(PipeBroken):
            await asyncio.wait_for(second, 5)

    asyncio.run(scenario())
