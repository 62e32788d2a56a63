"""Staging in the bucket of the blobs: `uploads/<id>` is the record, `staging/<id>` what the client sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import Any, Final, ParamSpec, TypeVar

from minio import Minio
from minio.commonconfig import ComposeSource
from minio.datatypes import Part
from minio.error import S3Error
from urllib3 import BaseHTTPResponse

from tensorfleet.blobs.minio_client import NoSuchBlob, be_patient, translated
from tensorfleet.blobs.minio_reader import MinioReader, close_response
from tensorfleet.blobs.staging import StagedPart, StagedUpload, staging_key
from tensorfleet.domain.errors import BlobCorrupt, BlobsUnavailable, ChecksumMismatch

RECORDS: Final = "uploads/"
_PAGE: Final = 1000
_UNKNOWN: Final = "NoSuchUpload"

Args = ParamSpec("Args")
Result = TypeVar("Result")


class MinioStaging:
    """A Staging. minio-py has no public calls for uploads in parts but the one that sends them itself."""

    def __init__(
        self,
        client: Minio,
        bucket: str,
        calls: Executor,
        utc_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._calls = calls
        self._utc_now = utc_now

    async def begin(self, upload_id: str) -> str:
        return await self._call(self._client._create_multipart_upload, self._bucket, staging_key(upload_id), {})

    async def save(self, upload: StagedUpload) -> None:
        content = json.dumps(asdict(upload)).encode()
        key = RECORDS + upload.upload_id
        await self._call(self._client.put_object, self._bucket, key, BytesIO(content), len(content))

    async def load(self, upload_id: str) -> StagedUpload | None:
        try:
            return StagedUpload(**json.loads(await self._call(self._content, RECORDS + upload_id)))
        except NoSuchBlob:
            return None

    async def parts(self, upload: StagedUpload) -> list[StagedPart] | None:
        return await self._call(self._parts, upload)

    async def assemble(self, upload: StagedUpload, parts: Sequence[StagedPart]) -> None:
        named = [Part(one.number, one.etag) for one in parts]
        await self._call(
            _unless_unknown,
            self._client._complete_multipart_upload,
            self._bucket,
            upload.key,
            upload.store_id,
            named,
        )

    async def has_file(self, upload: StagedUpload) -> bool:
        return await self._call(self._size, upload.key) is not None

    async def adopt(self, upload: StagedUpload, *, renew: bool) -> None:
        etag = await self._verify(upload)
        blob = f"sha256/{upload.checksum}"
        if not renew and await self._call(self._size, blob) == upload.size_bytes:
            return
        # Whoever holds the narrow key, and not only a URL, could have put something else there since it was read.
        source = ComposeSource(self._bucket, upload.key, match_etag=etag)
        try:
            await self._call(self._client.compose_object, self._bucket, blob, [source])
        except NoSuchBlob:
            raise _gone() from None

    async def drop_file(self, upload: StagedUpload) -> None:
        await self._call(self._client.remove_object, self._bucket, upload.key)

    async def discard(self, upload_id: str) -> None:
        """The record last: whatever is interrupted is found again."""
        upload = await self.load(upload_id)
        if upload is not None:
            abort = self._client._abort_multipart_upload
            await self._call(_unless_unknown, abort, self._bucket, upload.key, upload.store_id)
        for key in (staging_key(upload_id), RECORDS + upload_id):
            await self._call(self._client.remove_object, self._bucket, key)

    async def all(self) -> AsyncIterator[tuple[str, float]]:
        listed = iter(self._client.list_objects(self._bucket, RECORDS, recursive=True))
        while found := await self._call(lambda: list(islice(listed, _PAGE))):
            for one in found:
                assert one.last_modified is not None
                age = (self._utc_now() - one.last_modified).total_seconds()
                yield str(one.object_name).removeprefix(RECORDS), age

    async def _verify(self, upload: StagedUpload) -> str:
        """Read it all; the ETag of what was read. ChecksumMismatch."""
        try:
            response = await self._call(self._open, upload.key)
        except NoSuchBlob:
            raise _gone() from None
        size_bytes = int(response.headers["Content-Length"])
        if size_bytes != upload.size_bytes:
            close_response(response)
            raise ChecksumMismatch(f"The file has {size_bytes} bytes, not the announced {upload.size_bytes}.")
        try:
            async with MinioReader(response, size_bytes, self._calls, upload.checksum) as reader:
                async for _ in reader:
                    pass
        except BlobCorrupt:
            raise ChecksumMismatch(f"The file's checksum is not the announced sha256:{upload.checksum}.") from None
        return str(response.headers["ETag"]).strip('"')

    def _open(self, key: str) -> BaseHTTPResponse:
        response = self._client.get_object(self._bucket, key)
        be_patient(response)
        return response

    def _content(self, key: str) -> bytes:
        response = self._client.get_object(self._bucket, key)
        try:
            return response.read()
        finally:
            response.release_conn()

    def _size(self, key: str) -> int | None:
        try:
            with translated():
                return self._client.stat_object(self._bucket, key).size
        except NoSuchBlob:
            return None

    def _parts(self, upload: StagedUpload) -> list[StagedPart] | None:
        found: list[StagedPart] = []
        marker = None
        while True:
            page: Any = _unless_unknown(
                self._client._list_parts, self._bucket, upload.key, upload.store_id, part_number_marker=marker
            )
            if page is None:
                return None
            found += [StagedPart(one.part_number, int(one.size), one.etag) for one in page.parts]
            if not page.is_truncated:
                return found
            marker = page.next_part_number_marker

    async def _call(self, function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result:
        def call() -> Result:
            with translated():
                return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._calls, call)


def _unless_unknown(function: Callable[Args, Result], *args: Args.args, **kwargs: Args.kwargs) -> Result | None:
    """None if the store knows no such upload: it was put together, or thrown away."""
    try:
        return function(*args, **kwargs)
    except S3Error as error:
        if error.code != _UNKNOWN:
            raise
        return None


def _gone() -> BlobsUnavailable:
    """Another request for the same upload may have ended it meanwhile; asking again tells."""
    return BlobsUnavailable("What was sent is not there any more, or is being taken over. Ask again.")
