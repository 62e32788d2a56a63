"""What a bucket holds, for whoever keeps it clean: blobs with their ages, leftovers of uploads, and whose it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import Any, Final

from minio import Minio

from tensorfleet.blobs.checksums import is_checksum
from tensorfleet.blobs.minio_claims import PREFIX as CLAIMS
from tensorfleet.blobs.minio_claims import MinioMarks
from tensorfleet.blobs.minio_client import NoSuchBlob, translated
from tensorfleet.blobs.staging import STAGED
from tensorfleet.domain.errors import StorageFull

BLOBS: Final = "sha256/"
INCOMING: Final = "incoming/"
_REGISTRIES: Final = "registries/"
_PAGE: Final = 1000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """`age_seconds` since it was stored, or last stored anew."""

    key: str
    size_bytes: int
    age_seconds: float

    @property
    def checksum(self) -> str:
        """Of a blob."""
        return self.key.removeprefix(BLOBS)


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    key: str
    upload_id: str
    age_seconds: float


class MinioInventory:
    """BlobsUnavailable from every method, if the store does not answer."""

    def __init__(self, client: Minio, bucket: str, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._client = client
        self._bucket = bucket
        self._utc_now = utc_now
        self._marks = MinioMarks(client, bucket)

    async def blobs(self) -> AsyncIterator[StoredObject]:
        async for one in self._below(BLOBS):
            if is_checksum(one.checksum):
                yield one

    def incoming(self) -> AsyncIterator[StoredObject]:
        """Uploads whose name is not known yet."""
        return self._below(INCOMING)

    def staged(self) -> AsyncIterator[StoredObject]:
        """What clients have sent themselves, put together and not yet verified."""
        return self._below(STAGED)

    def marks(self) -> AsyncIterator[StoredObject]:
        """Those of commands and of collectors."""
        return self._below(CLAIMS)

    async def unfinished_uploads(self) -> list[UnfinishedUpload]:
        """MinIO lists none here: it removes them by itself, after a day."""
        return await asyncio.to_thread(self._unfinished_uploads)

    async def remove(self, key: str) -> None:
        await asyncio.to_thread(self._marks.remove, key)

    async def abort(self, upload: UnfinishedUpload) -> None:
        def call() -> None:
            with translated():
                self._client._abort_multipart_upload(self._bucket, upload.key, upload.upload_id)

        await asyncio.to_thread(call)

    async def age_seconds(self, key: str) -> float | None:
        """Of one object; None if there is none."""

        def call() -> datetime:
            with translated():
                return self._client.stat_object(self._bucket, key).last_modified  # type: ignore[return-value]

        try:
            return (self._utc_now() - await asyncio.to_thread(call)).total_seconds()
        except NoSuchBlob:
            return None

    async def condemn(self, checksum: str) -> str | None:
        """Mark a blob as about to go, so that nobody begins to refer to it; None if somebody may be about to."""

        def call() -> str | None:
            own = self._marks.put_drop(checksum)
            if self._marks.is_in_use(checksum, own):
                self._marks.remove(own)
                return None
            return own

        return await asyncio.to_thread(call)

    async def sign(self, registry: str, identity: str) -> None:
        """Say that this registry keeps its blobs here. `identity` tells its log from all others.

        A store without room takes no signature; then the collector says what is missing.
        """
        content = identity.encode()

        def call() -> None:
            with translated():
                self._client.put_object(self._bucket, _REGISTRIES + registry, BytesIO(content), len(content))

        if (await self.signatures()).get(registry) != identity:
            try:
                await asyncio.to_thread(call)
            except StorageFull as error:
                _LOG.warning("the bucket is not signed: %s", error)

    async def signatures(self) -> dict[str, str]:
        """The registries that keep blobs here, and the identities of their logs."""
        return {
            one.key.removeprefix(_REGISTRIES): await asyncio.to_thread(self._content, one.key)
            async for one in self._below(_REGISTRIES)
        }

    def _content(self, key: str) -> str:
        with translated():
            response = self._client.get_object(self._bucket, key)
            try:
                return response.read().decode()
            finally:
                response.release_conn()

    async def _below(self, prefix: str) -> AsyncIterator[StoredObject]:
        listed = iter(self._client.list_objects(self._bucket, prefix, recursive=True))

        def page() -> list[Any]:
            with translated():
                return list(islice(listed, _PAGE))

        while found := await asyncio.to_thread(page):
            for one in found:
                yield StoredObject(str(one.object_name), int(one.size), self._age(one.last_modified))

    def _unfinished_uploads(self) -> list[UnfinishedUpload]:
        found: list[UnfinishedUpload] = []
        key_marker = upload_id_marker = None
        while True:
            with translated():
                page = self._client._list_multipart_uploads(
                    self._bucket, key_marker=key_marker, upload_id_marker=upload_id_marker
                )
            for one in page.uploads:
                age = self._age(one.initiated_time)
                found.append(UnfinishedUpload(one.object_name, str(one.upload_id), age))
            if not page.is_truncated:
                return found
            key_marker, upload_id_marker = page.next_key_marker, page.next_upload_id_marker

    def _age(self, at: datetime | None) -> float:
        assert at is not None
        return (self._utc_now() - at).total_seconds()
