"""Blobs on a real MinIO: whole or absent, stored once, streamed, and clear about a store that is down."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO

import pytest
from minio.error import S3Error
from urllib3 import BaseHTTPResponse

from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.blobs.store import StoredBlob
from tensorfleet.domain.errors import BlobCorrupt, BlobMissing, BlobsUnavailable, ChecksumMismatch, TooLarge

MIB = 1024 * 1024
NO_LIMIT = 1 << 50
LARGE = 40 * MIB
WRONG = "0" * 64
# On both sides of: nothing, one block, content kept in memory, one part, two parts, three parts.
SIZES = [0, 1, MIB - 1, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 16 * MIB + 1, 32 * MIB, 32 * MIB + 1, LARGE]


class SenderGone(Exception):
    pass


def content_of(size: int, seed: bytes = b"seed") -> bytes:
    block = hashlib.sha256(seed).digest() * (MIB // 32)
    return b"".join(number.to_bytes(4, "big") + block[4:] for number in range(size // MIB + 1))[:size]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def sent(content: bytes, piece_bytes: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece_bytes):
        yield content[start : start + piece_bytes]


async def put(
    store: MinioBlobStore, content: bytes, expected: str | None = None, max_bytes: int = NO_LIMIT
) -> StoredBlob:
    return await store.put(sent(content), expected_checksum=expected, max_bytes=max_bytes)


async def read(store: MinioBlobStore, checksum: str, start: int, length: int) -> bytes:
    async with await store.open(checksum, start, length) as reader:
        return b"".join([chunk async for chunk in reader])


def keys(store: MinioBlobStore) -> list[str]:
    return [str(one.object_name) for one in store._client.list_objects(store._bucket, recursive=True)]


@pytest.fixture
def uploaded_to(blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The keys that multipart uploads were begun for; at the end none of them is still unfinished."""
    begun: list[str] = []
    begin = blob_store._client._create_multipart_upload

    def recording(bucket: str, key: str, headers: dict[str, str]) -> str:
        begun.append(key)
        return begin(bucket, key, headers)

    monkeypatch.setattr(blob_store._client, "_create_multipart_upload", recording)
    yield begun
    for key in begun:
        assert not blob_store._client._list_multipart_uploads(blob_store._bucket, prefix=key).uploads


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("size", SIZES)
def test_what_was_put_is_read_back(blob_store: MinioBlobStore, size: int, announced: bool) -> None:
    async def scenario() -> None:
        content = content_of(size)
        checksum = sha256(content)
        stored = await put(blob_store, content, checksum if announced else None)
        assert stored == StoredBlob(checksum, size, already_there=False)
        assert await blob_store.size(checksum) == size
        assert await read(blob_store, checksum, 0, size) == content
        assert keys(blob_store) == [f"sha256/{checksum}"]

    asyncio.run(scenario())


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("size", [10, LARGE])
def test_equal_content_is_stored_once(blob_store: MinioBlobStore, size: int, announced: bool) -> None:
    async def scenario() -> None:
        content = content_of(size)
        checksum = sha256(content)
        await put(blob_store, content)
        first = blob_store._client.stat_object(blob_store._bucket, f"sha256/{checksum}").last_modified
        await asyncio.sleep(1.1)  # the resolution of last_modified
        again = await put(blob_store, content, checksum if announced else None)
        assert again == StoredBlob(checksum, size, already_there=True)
        assert blob_store._client.stat_object(blob_store._bucket, f"sha256/{checksum}").last_modified == first
        assert keys(blob_store) == [f"sha256/{checksum}"]

    asyncio.run(scenario())


def test_equal_content_put_at_the_same_time_is_one_blob(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        content = content_of(LARGE)
        checksum = sha256(content)
        puts = [put(blob_store, content, checksum if number % 2 else None) for number in range(4)]
        assert {stored.checksum for stored in await asyncio.gather(*puts)} == {checksum}
        assert keys(blob_store) == [f"sha256/{checksum}"]
        assert sha256(await read(blob_store, checksum, 0, LARGE)) == checksum

    asyncio.run(scenario())


def test_more_large_uploads_than_threads_all_arrive(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        contents = [content_of(9 * MIB, b"%d" % number) for number in range(20)]
        stored = await asyncio.gather(*(put(blob_store, content) for content in contents))
        assert [one.checksum for one in stored] == [sha256(content) for content in contents]

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [0, 10, 8 * MIB, 8 * MIB + 1, 16 * MIB, 32 * MIB, 32 * MIB + 1, LARGE])
def test_content_other_than_announced_leaves_nothing(
    blob_store: MinioBlobStore, uploaded_to: list[str], size: int
) -> None:
    async def scenario() -> None:
        with pytest.raises(ChecksumMismatch):
            await put(blob_store, content_of(size), WRONG)
        assert keys(blob_store) == []
        assert bool(uploaded_to) == (size > 16 * MIB)

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [10, LARGE])
def test_other_content_under_the_checksum_of_a_stored_blob_is_refused(blob_store: MinioBlobStore, size: int) -> None:
    async def scenario() -> None:
        stored = await put(blob_store, content_of(LARGE, b"stored"))
        with pytest.raises(ChecksumMismatch):
            await put(blob_store, content_of(size, b"other"), stored.checksum)
        assert keys(blob_store) == [f"sha256/{stored.checksum}"]

    asyncio.run(scenario())


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("limit", [0, 10, 8 * MIB, 16 * MIB, 32 * MIB])
def test_the_byte_over_the_limit_ends_the_upload(
    blob_store: MinioBlobStore, uploaded_to: list[str], limit: int, announced: bool
) -> None:
    async def scenario() -> None:
        async def endless() -> AsyncIterator[bytes]:
            if limit:
                yield content_of(limit)
            yield b"x"
            raise AssertionError("read on after the limit")

        with pytest.raises(TooLarge):
            await blob_store.put(endless(), expected_checksum=WRONG if announced else None, max_bytes=limit)
        assert keys(blob_store) == []
        assert (await put(blob_store, content_of(limit), max_bytes=limit)).size_bytes == limit

    asyncio.run(scenario())


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("after", [0, 10, 9 * MIB, 20 * MIB, LARGE])
def test_a_sender_that_goes_away_leaves_nothing(
    blob_store: MinioBlobStore, uploaded_to: list[str], after: int, announced: bool
) -> None:
    async def scenario() -> None:
        content = content_of(after)

        async def broken() -> AsyncIterator[bytes]:
            async for piece in sent(content):
                yield piece
            raise SenderGone

        expected = sha256(content) if announced else None
        with pytest.raises(SenderGone):
            await blob_store.put(broken(), expected_checksum=expected, max_bytes=NO_LIMIT)
        assert keys(blob_store) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
@pytest.mark.parametrize("after", [10, 9 * MIB, LARGE])
def test_a_cancelled_put_leaves_nothing_and_frees_its_thread(
    blob_store: MinioBlobStore, uploaded_to: list[str], after: int, announced: bool
) -> None:
    async def scenario() -> None:
        stalled = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            async for piece in sent(content_of(after)):
                yield piece
            stalled.set()
            await asyncio.Event().wait()

        # More than there are upload threads: a thread that hangs would make the last ones wait for ever.
        for _ in range(20 if after == 9 * MIB else 1):
            stalled.clear()
            task = asyncio.create_task(
                blob_store.put(slow(), expected_checksum=WRONG if announced else None, max_bytes=NO_LIMIT)
            )
            await stalled.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 10)
        assert keys(blob_store) == []
        assert (await put(blob_store, content_of(LARGE))).size_bytes == LARGE

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 0), (0, 1), (5, 10), (MIB - 1, 2), (3 * MIB, MIB), (0, LARGE), (LARGE - 1, 1), (1, LARGE - 1), (7, 5 * MIB)],
)
def test_a_range_is_read_exactly(blob_store: MinioBlobStore, start: int, length: int) -> None:
    async def scenario() -> None:
        content = content_of(LARGE)
        stored = await put(blob_store, content)
        assert await read(blob_store, stored.checksum, start, length) == content[start : start + length]

    asyncio.run(scenario())


@pytest.mark.parametrize("length", [0, 10])
def test_opening_a_blob_that_is_missing_raises(blob_store: MinioBlobStore, length: int) -> None:
    async def scenario() -> None:
        with pytest.raises(BlobMissing):
            await blob_store.open(WRONG, 0, length)
        assert await blob_store.size(WRONG) is None

    asyncio.run(scenario())


def test_a_blob_shorter_than_asked_for_never_ends_silently(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        stored = await put(blob_store, content_of(3 * MIB))
        with pytest.raises(BlobsUnavailable):
            await read(blob_store, stored.checksum, MIB, 3 * MIB)
        with pytest.raises(BlobsUnavailable):
            await blob_store.open(stored.checksum, 3 * MIB, 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("checksum", ["", "../incoming/x", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_only_a_checksum_names_a_blob(blob_store: MinioBlobStore, checksum: str) -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="hex digits"):
            await blob_store.size(checksum)
        with pytest.raises(ValueError, match="hex digits"):
            await blob_store.open(checksum, 0, 1)

    asyncio.run(scenario())


def test_a_reader_given_up_early_gives_its_connection_back(
    blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses: list[BaseHTTPResponse] = []
    get_object = blob_store._client.get_object

    def recording(*args: object, **kwargs: object) -> BaseHTTPResponse:
        responses.append(get_object(*args, **kwargs))
        return responses[-1]

    async def scenario() -> None:
        stored = await put(blob_store, content_of(LARGE))
        monkeypatch.setattr(blob_store._client, "get_object", recording)
        for number in range(20):
            reader = await blob_store.open(stored.checksum, 0, LARGE)
            if number % 2:
                await anext(reader)
            await reader.aclose()
            await reader.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(reader)

    asyncio.run(scenario())
    deadline = time.monotonic() + 20
    while not all(response.closed for response in responses) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [response.closed for response in responses] == [True] * 20


def test_readers_that_reach_the_end_share_a_connection(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        stored = await put(blob_store, content_of(2 * MIB))
        pool = blob_store._client._http.connection_from_url(blob_store._client._base_url._url.geturl())
        before = pool.num_connections
        for _ in range(20):
            await read(blob_store, stored.checksum, 0, 2 * MIB)
        assert pool.num_connections - before <= 2

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [10, LARGE])
def test_the_event_loop_never_waits_for_the_network_or_a_hash(
    blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    asking: set[str] = set()
    hashed = 0
    urlopen, submit = blob_store._client._http.urlopen, blob_store._hashing.submit

    def recording_urlopen(*args: object, **kwargs: object) -> object:
        asking.add(threading.current_thread().name.partition("_")[0])
        return urlopen(*args, **kwargs)

    def recording_submit(function: Callable[[bytes], None], block: bytes) -> object:
        nonlocal hashed
        hashed += len(block)
        return submit(function, block)

    monkeypatch.setattr(blob_store._client._http, "urlopen", recording_urlopen)
    monkeypatch.setattr(blob_store._hashing, "submit", recording_submit)

    async def scenario() -> None:
        await blob_store.ensure_bucket()
        assert await blob_store.available()
        for _ in range(2):
            stored = await put(blob_store, content_of(size))
        await read(blob_store, stored.checksum, 0, size)

    asyncio.run(scenario())
    assert asking == ({"blobs-call", "blobs-upload"} if size == LARGE else {"blobs-call"})
    assert hashed == 2 * size


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_memory_does_not_grow_with_the_file(blob_store: MinioBlobStore, announced: bool) -> None:
    """While 256 MiB go up and down, Python holds less than 120 MiB more."""
    pieces = 4096
    checksum = hashlib.sha256()
    for number in range(pieces):
        checksum.update(number.to_bytes(4, "big") * 16_384)

    async def many() -> AsyncIterator[bytes]:
        for number in range(pieces):
            yield number.to_bytes(4, "big") * 16_384

    async def scenario() -> None:
        expected = checksum.hexdigest() if announced else None
        stored = await blob_store.put(many(), expected_checksum=expected, max_bytes=NO_LIMIT)
        async with await blob_store.open(stored.checksum, 0, stored.size_bytes) as reader:
            async for _ in reader:
                pass
        assert stored.size_bytes == 256 * MIB

    tracemalloc.start()
    try:
        asyncio.run(scenario())
        assert tracemalloc.get_traced_memory()[1] < 120 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [1, MIB, MIB + 1, 3 * MIB])
def test_a_verified_blob_gives_its_last_chunk_only_if_all_of_it_is_right(blob_store: MinioBlobStore, size: int) -> None:
    async def chunks_read(checksum: str) -> tuple[int, bool]:
        """How many bytes came, and whether they ended well."""
        seen = 0
        try:
            async with await blob_store.open(checksum, 0, size, verified=True) as reader:
                async for chunk in reader:
                    seen += len(chunk)
        except BlobCorrupt:
            return seen, False
        return seen, True

    async def scenario() -> None:
        content = content_of(size)
        stored = await put(blob_store, content)
        assert await chunks_read(stored.checksum) == (size, True)
        before_last = (size - 1) // MIB * MIB
        for damaged in (bytes([content[0] ^ 1]) + content[1:], content[:-1] + bytes([content[-1] ^ 128])):
            _replace(blob_store, stored.checksum, damaged)
            assert await chunks_read(stored.checksum) == (before_last, False)
            again = await put(blob_store, content)
            assert again.already_there and await chunks_read(stored.checksum) == (before_last, False)
            await blob_store.put(sent(content), expected_checksum=None, max_bytes=NO_LIMIT, renew=True)
            assert await chunks_read(stored.checksum) == (size, True)
        if size > 1:
            _replace(blob_store, stored.checksum, content[:-1])
            assert await chunks_read(stored.checksum) == (before_last, False)

    asyncio.run(scenario())


def _replace(store: MinioBlobStore, checksum: str, content: bytes) -> None:
    store._client.put_object(store._bucket, f"sha256/{checksum}", BytesIO(content), len(content))


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
def test_a_large_blob_can_be_renewed(blob_store: MinioBlobStore, announced: bool) -> None:
    async def scenario() -> None:
        content = content_of(LARGE)
        checksum = sha256(content)
        _replace(blob_store, checksum, content[:-1] + b"?")
        expected = checksum if announced else None
        await blob_store.put(sent(content), expected_checksum=expected, max_bytes=NO_LIMIT, renew=True)
        assert sha256(await read(blob_store, checksum, 0, LARGE)) == checksum
        assert keys(blob_store) == [f"sha256/{checksum}"]

    asyncio.run(scenario())


def test_a_bucket_is_made_once(blob_store: MinioBlobStore) -> None:
    async def scenario() -> None:
        fresh = MinioBlobStore(blob_store._client, f"{blob_store._bucket}-fresh")
        assert not await fresh.available()
        with pytest.raises(BlobsUnavailable):
            await put(fresh, content_of(10))
        with pytest.raises(BlobsUnavailable):
            await put(fresh, content_of(LARGE))
        await asyncio.gather(*(fresh.ensure_bucket() for _ in range(5)))
        assert await fresh.available()
        assert not (await put(fresh, content_of(10))).already_there
        await fresh.ensure_bucket()
        blob_store._client.remove_object(fresh._bucket, f"sha256/{sha256(content_of(10))}")
        blob_store._client.remove_bucket(fresh._bucket)
        fresh.close()

    asyncio.run(scenario())


def test_a_bucket_that_another_made_in_between_is_taken(
    blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_store._client, "bucket_exists", lambda _: False)
    asyncio.run(blob_store.ensure_bucket())


def test_a_store_that_fails_during_an_upload_raises_and_frees_the_sender(
    blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender, held back by a full pipe, is not left waiting for a thread that has ended."""

    async def scenario() -> None:
        def refuse(*_: object) -> str:
            time.sleep(0.2)
            raise S3Error(None, "SlowDown", "busy", "", "", "")  # type: ignore[arg-type]

        monkeypatch.setattr(blob_store._client, "_upload_part", refuse)
        with pytest.raises(BlobsUnavailable):
            await asyncio.wait_for(put(blob_store, content_of(3 * LARGE)), 20)
        assert keys(blob_store) == []

    asyncio.run(scenario())


@pytest.fixture(params=["refuses", "hangs"])
def dead_endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address where nothing listens, or where connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"127.0.0.1:{server.getsockname()[1]}"
        if request.param == "hangs":
            yield endpoint
            return
    yield endpoint


def test_a_store_that_is_down_is_told_within_8_seconds(dead_endpoint: str) -> None:
    async def scenario() -> None:
        store = MinioBlobStore.connect(dead_endpoint, "key", "secret-secret", "bucket", False)

        async def timed(name: str) -> None:
            began = time.monotonic()
            with pytest.raises(BlobsUnavailable):
                match name:
                    case "size":
                        await store.size(WRONG)
                    case "open":
                        await store.open(WRONG, 0, 1)
                    case "small":
                        await put(store, b"x")
                    case "large":
                        await put(store, content_of(LARGE))
                    case "announced":
                        await put(store, content_of(LARGE), WRONG)
                    case _:
                        await store.ensure_bucket()
            assert time.monotonic() - began < 8

        began = time.monotonic()
        assert not await store.available()
        assert time.monotonic() - began < 3
        await asyncio.gather(*map(timed, ["size", "open", "small", "large", "announced", "ensure"]))
        store.close()

    asyncio.run(scenario())
    assert not [one for one in threading.enumerate() if one.name.startswith("blobs-upload")]
