"""Blobs in a bucket of MinIO: `sha256/<hex>` for each, and `incoming/<uuid>` while one's name is not known yet."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, cast
from uuid import uuid4

from minio import Minio
from minio.commonconfig import ComposeSource
from minio.error import S3Error
from urllib3 import BaseHTTPResponse

from tensorfleet.blobs import minio_client
from tensorfleet.blobs.checksums import is_checksum
from tensorfleet.blobs.claims import Claim
from tensorfleet.blobs.intake import Intake
from tensorfleet.blobs.minio_claims import MinioMarks
from tensorfleet.blobs.minio_client import NoSuchBlob, translated
from tensorfleet.blobs.minio_inventory import MinioInventory
from tensorfleet.blobs.minio_reader import MinioReader, close_response
from tensorfleet.blobs.minio_staging import MinioStaging
from tensorfleet.blobs.minio_suspects import MinioSuspects
from tensorfleet.blobs.pipe import Pipe, PipeBroken
from tensorfleet.blobs.snapshots import MinioSnapshots
from tensorfleet.blobs.store import StoredBlob
from tensorfleet.domain.errors import BlobMissing, BlobsUnavailable, DependencyUnavailable

SMALL_BYTES = 8 * 1024 * 1024
PART_BYTES = 16 * 1024 * 1024
UNREAD_BLOCKS = 16
AVAILABLE_SECONDS = 2.0
COLLECTOR_SECONDS = 5.0
COLLECTOR_POLL_SECONDS = 0.02

Args = ParamSpec("Args")
Result = TypeVar("Result")
logger = logging.getLogger(__name__)


class MinioBlobStore:
    """A BlobStore. Every call to minio-py runs in a thread; the event loop never waits for a socket or a hash.

    Three pools, because they wait for different things: `calls` for MinIO's short answers, `uploads` for senders
    (one thread for each large upload under way; more of them wait, unread), `hashing` for the processor. In one
    pool, as many slow senders as there are threads would stop everything else.
    """

    def __init__(self, client: Minio, bucket: str, *, calls: int = 16, uploads: int = 16) -> None:
        self._client = client
        self._bucket = bucket
        self._marks = MinioMarks(client, bucket)
        self._calls = ThreadPoolExecutor(calls, thread_name_prefix="blobs-call")
        self._uploads = ThreadPoolExecutor(uploads, thread_name_prefix="blobs-upload")
        self._hashing = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="blobs-hash")

    @classmethod
    def connect(
        cls,
        endpoint: str,
        access_key: str,
        secret_key: str,
        bucket: str,
        secure: bool,
        *,
        ca_file: Path | None = None,
        region: str = "us-east-1",
    ) -> Self:
        """Nothing is sent yet. `endpoint` is host:port. `ca_file`: who signs its certificate, if not whom all trust."""
        client = minio_client.connect(
            endpoint, access_key, secret_key, secure=secure, ca_file=ca_file, region=region, connections=64
        )
        return cls(client, bucket)

    @property
    def snapshots(self) -> MinioSnapshots:
        """In the same bucket."""
        return MinioSnapshots(self._client, self._bucket)

    @property
    def inventory(self) -> MinioInventory:
        return MinioInventory(self._client, self._bucket)

    @property
    def suspects(self) -> MinioSuspects:
        """In the same bucket."""
        return MinioSuspects(self._client, self._bucket)

    @property
    def staging(self) -> MinioStaging:
        """In the same bucket."""
        return MinioStaging(self._client, self._bucket, self._calls)

    def close(self) -> None:
        """End the threads; uploads under way must have ended."""
        for pool in (self._calls, self._uploads, self._hashing):
            pool.shutdown(wait=False, cancel_futures=True)

    async def ensure_bucket(self) -> None:
        await self._call(self._make_bucket)

    async def available(self) -> bool:
        try:
            return await asyncio.wait_for(self._call(self._client.bucket_exists, self._bucket), AVAILABLE_SECONDS)
        except (TimeoutError, DependencyUnavailable):
            return False

    async def size(self, checksum: str) -> int | None:
        try:
            answer = await self._call(self._client.stat_object, self._bucket, _key(checksum))
        except NoSuchBlob:
            return None
        return cast(int, answer.size)

    async def claim(self, checksum: str) -> Claim:
        """A Claims: waits for a collector that is about to remove the blob, and only then looks whether it is there."""
        claim = Claim(checksum, await self._call(self._marks.put_use, checksum))
        try:
            async with asyncio.timeout(COLLECTOR_SECONDS):
                while await self._call(self._marks.is_being_dropped, checksum, claim.key):  # noqa: ASYNC110
                    await asyncio.sleep(COLLECTOR_POLL_SECONDS)
            if await self.size(checksum) is None:
                raise BlobMissing(checksum)
        except TimeoutError:
            self.release(claim)
            raise BlobsUnavailable(f"The stored file sha256:{checksum} is being removed; send it again.") from None
        except BaseException:
            self.release(claim)
            raise
        return claim

    def release(self, claim: Claim) -> None:
        self._calls.submit(self._marks.remove_quietly, claim.key)

    async def open(self, checksum: str, start: int, length: int, *, verified: bool = False) -> MinioReader:
        expected = checksum if verified else None
        if length == 0:
            if await self.size(checksum) is None:
                raise BlobMissing(checksum)
            return MinioReader(None, 0, self._calls, expected)
        opening = self._calls.submit(self._get, _key(checksum), start, length)
        try:
            response = await asyncio.wrap_future(opening)
            return MinioReader(response, length, self._calls, expected)
        except NoSuchBlob:
            raise BlobMissing(checksum) from None
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unused)
            raise

    async def put(
        self, chunks: AsyncIterator[bytes], *, expected_checksum: str | None, max_bytes: int, renew: bool = False
    ) -> StoredBlob:
        intake = Intake(chunks, max_bytes, self._hashing)
        head: list[bytes] = []
        async with aclosing(intake.blocks()) as blocks:
            async for block in blocks:
                head.append(block)
                if intake.size_bytes > SMALL_BYTES:
                    break
            else:
                return await self._put_small(intake, head, expected_checksum, renew)
            del block
            if expected_checksum is None:
                return await self._put_unnamed(intake, head, blocks, renew)
            return await self._put_named(intake, head, blocks, expected_checksum, renew)

    async def _put_small(self, intake: Intake, content: list[bytes], expected: str | None, renew: bool) -> StoredBlob:
        checksum = await intake.checksum(expected)
        there = not renew and await self.size(checksum) == intake.size_bytes
        if not there:
            await self._call(self._put_bytes, _key(checksum), content, intake.size_bytes)
        return StoredBlob(checksum, intake.size_bytes, there)

    async def _put_named(
        self, intake: Intake, head: list[bytes], rest: AsyncIterator[bytes], expected: str, renew: bool
    ) -> StoredBlob:
        """The name is announced: stream straight to it. MinIO shows an object only once its last part is confirmed."""
        stored_bytes = None if renew else await self.size(expected)
        if stored_bytes is None:
            await self._stream(_key(expected), intake, head, rest, expected)
            return StoredBlob(expected, intake.size_bytes, already_there=False)
        head.clear()
        async for _ in rest:
            pass
        await intake.checksum(expected)
        if stored_bytes != intake.size_bytes:
            raise BlobsUnavailable(f"The stored file sha256:{expected} is damaged: it has {stored_bytes} bytes.")
        return StoredBlob(expected, intake.size_bytes, already_there=True)

    async def _put_unnamed(
        self, intake: Intake, head: list[bytes], rest: AsyncIterator[bytes], renew: bool
    ) -> StoredBlob:
        """The name is known only at the end: stream beside it, then let MinIO copy."""
        if not await self._call(self._client.bucket_exists, self._bucket):
            raise BlobsUnavailable(f"The blob store has no bucket {self._bucket!r}.")
        incoming = f"incoming/{uuid4().hex}"
        try:
            await self._stream(incoming, intake, head, rest, None)
            checksum = await intake.checksum(None)
            there = not renew and await self.size(checksum) == intake.size_bytes
            if not there:
                source = ComposeSource(self._bucket, incoming)
                await self._call(self._client.compose_object, self._bucket, _key(checksum), [source])
            return StoredBlob(checksum, intake.size_bytes, there)
        finally:
            await asyncio.shield(self._discard(incoming))

    async def _stream(
        self, key: str, intake: Intake, head: list[bytes], rest: AsyncIterator[bytes], expected: str | None
    ) -> None:
        """Upload in parts through a pipe. Its end is sent after the checksum was compared, and before it the last
        part cannot go out; without an end, minio-py takes back the parts that MinIO has."""
        pipe = Pipe(UNREAD_BLOCKS)
        thread = self._uploads.submit(self._put_stream, key, pipe)
        upload = asyncio.wrap_future(thread)
        upload.add_done_callback(lambda _: pipe.abandon())
        try:
            head.reverse()
            while head:
                await pipe.write(head.pop())
            async for block in rest:
                await pipe.write(block)
            await intake.checksum(expected)
            pipe.end()
            await asyncio.wait([upload])
        except PipeBroken:
            pass  # the upload has ended, and its result says why
        except BaseException:
            pipe.fail()
            thread.cancel()
            await asyncio.wait([upload])
            if not upload.cancelled():
                upload.exception()
            raise
        upload.result()

    async def _discard(self, key: str) -> None:
        try:
            await self._call(self._client.remove_object, self._bucket, key)
        except DependencyUnavailable:
            logger.warning("An incoming file stays behind as %s; it is not readable.", key, exc_info=True)

    async def _call(self, function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        def call() -> Result:
            with translated():
                return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._calls, call)

    def _make_bucket(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise

    def _get(self, key: str, start: int, length: int) -> BaseHTTPResponse:
        with translated():
            response = self._client.get_object(self._bucket, key, offset=start, length=length)
        minio_client.be_patient(response)
        return response

    def _put_bytes(self, key: str, content: list[bytes], size_bytes: int) -> None:
        self._client.put_object(self._bucket, key, BytesIO(b"".join(content)), size_bytes)

    def _put_stream(self, key: str, pipe: Pipe) -> None:
        """One part at a time: with parallel ones, minio-py would leave its threads and parts behind on an error."""
        with translated():
            self._client.put_object(
                self._bucket, key, cast(Any, pipe), -1, part_size=PART_BYTES, num_parallel_uploads=1
            )


def _key(checksum: str) -> str:
    if not is_checksum(checksum):
        raise ValueError(f"{checksum!r} is not 64 lower-case hex digits.")
    return f"sha256/{checksum}"


def _close_unused(opening: Future[BaseHTTPResponse]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        close_response(opening.result())
