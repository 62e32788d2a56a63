"""Parts that a client sends to a real store by presigned URLs: taken as agreed, verified, and cleared away."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import urlsplit

import httpx
import pytest

from tensorfleet.blobs.minio_staging import MinioStaging
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.blobs.presigning import Presigner
from tensorfleet.blobs.staging import MOST_PARTS, StagedUpload, staging_key, usual_part_bytes
from tensorfleet.collection.abandoned import MARGIN_SECONDS, AbandonedUploads
from tensorfleet.domain.errors import BlobsUnavailable, ChecksumMismatch
from tests.second_s3 import S3

MIB = 1024 * 1024
PART = 5 * MIB
CONTENT = b"".join(hashlib.sha256(b"%d" % number).digest() * 32 for number in range(5 * 1024 + 1)) + b"end"
"""Two parts, of which the second is small."""
FAR = 1 << 60
HOUR = 3600.0


@pytest.fixture
def presigner(s3: S3, blob_store: MinioBlobStore) -> Presigner:
    """With the root's key: this is about what URLs let do, not about the key."""
    return Presigner(f"http://{s3.endpoint}", s3.access_key, s3.secret_key, blob_store._bucket, 60)


async def begun(staging: MinioStaging, content: bytes = CONTENT, checksum: str | None = None) -> StagedUpload:
    upload_id = uuid.uuid4().hex
    upload = StagedUpload(
        upload_id=upload_id,
        model_id="0" * 24,
        version="v1.0",
        filename="m.bin",
        size_bytes=len(content),
        checksum=checksum or hashlib.sha256(content).hexdigest(),
        part_bytes=PART,
        owner="",
        request="",
        store_id=await staging.begin(upload_id),
        expires_at=FAR,
    )
    await staging.save(upload)
    return upload


def url_of(presigner: Presigner, upload: StagedUpload, number: int, ago: float = 0.0) -> str:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return presigner.part(upload.key, upload.store_id, number, upload.size_of(number), at).url


def part_of(upload: StagedUpload, number: int, content: bytes = CONTENT) -> bytes:
    start = upload.offset_of(number)
    return content[start : start + upload.size_of(number)]


def send(presigner: Presigner, upload: StagedUpload, numbers: Sequence[int]) -> None:
    """All at once."""

    def put(number: int) -> int:
        return httpx.put(url_of(presigner, upload, number), content=part_of(upload, number), timeout=60).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(put, numbers)) == {200}


def sent(url: str, content: bytes | Iterator[bytes], method: str = "PUT") -> int:
    return httpx.request(method, url, content=content).status_code


async def assembled(staging: MinioStaging, presigner: Presigner, upload: StagedUpload) -> None:
    await asyncio.to_thread(send, presigner, upload, range(1, upload.part_count + 1))
    parts = await staging.parts(upload)
    assert parts is not None
    await staging.assemble(upload, parts)


def keys(store: MinioBlobStore) -> list[str]:
    return [str(one.object_name) for one in store._client.list_objects(store._bucket, recursive=True)]


def test_parts_sent_in_parallel_become_the_blob_of_their_content(
    blob_store: MinioBlobStore, presigner: Presigner
) -> None:
    async def scenario() -> None:
        staging = blob_store.staging
        upload = await begun(staging)
        assert await staging.load(upload.upload_id) == upload
        assert (await staging.parts(upload), await staging.has_file(upload)) == ([], False)
        await asyncio.to_thread(send, presigner, upload, [2])
        parts = await staging.parts(upload)
        assert parts is not None
        assert [(one.number, one.size_bytes) for one in parts] == [(2, len(CONTENT) - PART)]
        await assembled(staging, presigner, upload)
        await staging.assemble(upload, parts)  # once more, as a request that is repeated does
        assert (await staging.parts(upload), await staging.has_file(upload)) == (None, True)
        await staging.adopt(upload, renew=False)
        await staging.adopt(upload, renew=False)
        assert await blob_store.size(upload.checksum) == len(CONTENT)
        async with await blob_store.open(upload.checksum, 0, len(CONTENT), verified=True) as reader:
            assert b"".join([chunk async for chunk in reader]) == CONTENT
        await staging.drop_file(upload)
        with pytest.raises(BlobsUnavailable):
            await staging.adopt(upload, renew=False)
        await staging.discard(upload.upload_id)
        await staging.discard(upload.upload_id)
        assert keys(blob_store) == [f"sha256/{upload.checksum}"]

    asyncio.run(scenario())


def test_a_url_is_good_for_one_part_of_one_length_for_a_while(blob_store: MinioBlobStore, presigner: Presigner) -> None:
    async def scenario() -> None:
        staging = blob_store.staging
        upload, other = await begun(staging), await begun(staging)
        url = url_of(presigner, upload, 2)
        right = part_of(upload, 2)
        refused = {
            "too short": sent(url, right[:-1]),
            "too long": sent(url, right + b"x"),
            "of no length": sent(url, iter([right])),
            "another part": sent(url.replace("partNumber=2", "partNumber=1"), right),
            "another upload": sent(url.replace(upload.upload_id, other.upload_id), right),
            "another method": sent(url, b"", "GET"),
            "no part, but an object": sent(url.partition("&partNumber")[0], right),
            "expired": sent(url_of(presigner, upload, 2, ago=61), right),
        }
        assert {name: one for name, one in refused.items() if one < 400} == {}
        assert (await staging.parts(upload), await staging.parts(other)) == ([], [])
        assert sent(url, right) == 200
        assert [one.number for one in await staging.parts(upload) or ()] == [2]
        await staging.discard(upload.upload_id)
        assert sent(url, right) == 404
        assert await staging.parts(upload) is None

    asyncio.run(scenario())


@pytest.mark.parametrize(("what", "told"), [("content", "checksum is not"), ("size", "has 1 bytes, not the announced")])
def test_what_is_not_as_announced_becomes_no_blob(
    blob_store: MinioBlobStore, presigner: Presigner, what: str, told: str
) -> None:
    async def scenario() -> None:
        staging = blob_store.staging
        upload = await begun(staging, checksum="0" * 64 if what == "content" else None)
        await assembled(staging, presigner, upload)
        if what == "size":  # only the key itself can do that, no URL
            blob_store._client.put_object(blob_store._bucket, upload.key, BytesIO(b"x"), 1)
        with pytest.raises(ChecksumMismatch, match=told):
            await staging.adopt(upload, renew=False)
        await staging.discard(upload.upload_id)
        assert keys(blob_store) == []

    asyncio.run(scenario())


def test_a_file_that_is_changed_after_it_was_read_is_not_taken(
    blob_store: MinioBlobStore, presigner: Presigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        staging = blob_store.staging
        upload = await begun(staging)
        await assembled(staging, presigner, upload)
        verify = staging._verify

        async def verified_and_changed(one: StagedUpload) -> str:
            etag = await verify(one)
            blob_store._client.put_object(blob_store._bucket, upload.key, BytesIO(b"x" * len(CONTENT)), len(CONTENT))
            return etag

        monkeypatch.setattr(staging, "_verify", verified_and_changed)
        with pytest.raises(BlobsUnavailable):
            await staging.adopt(upload, renew=False)
        assert await blob_store.size(upload.checksum) is None

    asyncio.run(scenario())


def test_a_damaged_blob_is_replaced_where_that_is_asked_for(blob_store: MinioBlobStore, presigner: Presigner) -> None:
    async def scenario() -> None:
        upload = await begun(blob_store.staging)
        key = f"sha256/{upload.checksum}"
        blob_store._client.put_object(blob_store._bucket, key, BytesIO(b"x" * len(CONTENT)), len(CONTENT))
        await assembled(blob_store.staging, presigner, upload)
        for renew, mended in ((False, False), (True, True)):
            await blob_store.staging.adopt(upload, renew=renew)
            stored = blob_store._client.get_object(blob_store._bucket, key).data
            assert (stored == CONTENT) == mended

    asyncio.run(scenario())


def test_uploads_that_nobody_completed_go_when_they_have_expired(
    blob_store: MinioBlobStore, presigner: Presigner
) -> None:
    async def scenario() -> None:
        staging = blob_store.staging
        sent, complete, empty = [await begun(staging) for _ in range(3)]
        await asyncio.to_thread(send, presigner, sent, [1])
        await assembled(staging, presigner, complete)

        def later(seconds: float) -> AbandonedUploads:
            clock = MinioStaging(
                blob_store._client,
                blob_store._bucket,
                blob_store._calls,
                lambda: datetime.now(UTC) + timedelta(seconds=seconds),
            )
            return AbandonedUploads(clock, HOUR)

        early = later(HOUR + MARGIN_SECONDS - 60)
        assert await early.look() == [], "some of it may still be on its way"
        late = later(HOUR + MARGIN_SECONDS + 60)
        found = await late.look()
        assert sorted(found) == sorted(one.upload_id for one in (sent, complete, empty))
        await late.remove(found)
        await late.remove(found)
        assert keys(blob_store) == []
        for one in (sent, complete, empty):
            assert await staging.parts(one) is None
            assert not blob_store._client._list_multipart_uploads(blob_store._bucket, prefix=one.key).uploads

    asyncio.run(scenario())


def test_a_url_of_a_blob_gives_it_and_its_ranges_for_a_while(blob_store: MinioBlobStore, presigner: Presigner) -> None:
    key = staging_key("some")
    blob_store._client.put_object(blob_store._bucket, key, BytesIO(CONTENT), len(CONTENT))
    disposition = "attachment; filename=\"a b.bin\"; filename*=UTF-8''%E6%A8%A1.bin"
    url = presigner.download(key, disposition, datetime.now(UTC)).url
    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Disposition"] == disposition
    part = httpx.get(url, headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, CONTENT[3:10])
    expired = presigner.download(key, disposition, datetime.now(UTC) - timedelta(seconds=61)).url
    other = url.replace(urlsplit(url).path, f"/{blob_store._bucket}/uploads/x")
    for refused in (httpx.get(expired), httpx.get(other), httpx.put(url, content=b"x"), httpx.delete(url)):
        assert refused.status_code == 403


@pytest.mark.parametrize("size", [1, 16 * MIB, 500 * 10**6, 16 * MIB * MOST_PARTS + 1, 5 * 1024**4])
def test_parts_are_whole_mebibytes_and_few_enough(size: int) -> None:
    part = usual_part_bytes(size)
    assert part % MIB == 0 and part * MOST_PARTS >= size
