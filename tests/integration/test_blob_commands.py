"""`verify-blobs` and `collect-blobs` on a real log and a real store, as an operator runs them."""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import AsyncIterator
from io import BytesIO

import pytest
from minio import Minio
from minio.error import S3Error

from devstack.stack import NativeStack
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.blobs.staging import StagedUpload
from tensorfleet.blobs.suspects import Suspect
from tensorfleet.collection import abandoned
from tensorfleet.domain import commands as c
from tensorfleet.domain.names import model_id_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.kafka.topic_reader import TopicReader
from tests.builders import Stream, blob, registration
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld

V1 = ModelVersion.parse("v1.0")


@pytest.fixture
def world(stack: NativeStack) -> KafkaWorld:
    return KafkaWorld(stack.kafka_bootstrap)


def put(store: MinioBlobStore, *contents: bytes) -> None:
    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        yield content

    async def scenario() -> None:
        for content in contents:
            await store.put(chunks(content), expected_checksum=None, max_bytes=1 << 20)

    asyncio.run(scenario())


def log_of(world: KafkaWorld, *names: str) -> Stream:
    stream = Stream()
    for name in names:
        stream.add(registration(name), name)
        stream.add(c.AttachFile(blob(name.encode())), name)
    return stream


def suspects(store: MinioBlobStore) -> set[Suspect]:
    return set(asyncio.run(store.suspects.all()))


def test_verify_blobs_names_each_file_that_is_missing_or_has_a_flipped_bit(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore
) -> None:
    names = ("whole", "flipped", "missing", "short", "mended", "deleted and missing")
    stream = log_of(world, *names)
    stream.add(registration("twin"), "twin")
    stream.add(c.AttachFile(blob(b"flipped")), "twin")
    stream.add(c.DeleteModel(), "deleted and missing")
    stream.add(c.ReportCorruption(V1, blob(b"mended").checksum, None, "it was, once"), "mended")
    world.append(world.topics.log, stream.values)
    put(blob_store, b"whole", b"mended")
    for name, stored in (("flipped", b"flippee"), ("short", b"shor")):
        key = f"sha256/{blob(name.encode()).checksum}"
        blob_store._client.put_object(blob_store._bucket, key, BytesIO(stored), len(stored))
    command.use(world, blob_store)

    verified = command.run("verify-blobs", "--rate", "1GB")
    assert verified.status == 1, verified.err
    lines = [one.split() for one in verified.out.splitlines() if one.startswith("  ")]
    bad = {"flipped": "corrupt:", "twin": "corrupt:", "short": "corrupt:", "missing": "missing:"}
    assert {(one[0], one[1], one[3]) for one in lines} == {
        (model_id_of(name), "v1.0", what) for name, what in bad.items()
    }
    assert {one.model_id for one in suspects(blob_store)} == {model_id_of(name) for name in [*bad, "mended"]}

    put(blob_store, b"missing")
    for name in ("flipped", "short"):
        key = f"sha256/{blob(name.encode()).checksum}"
        blob_store._client.put_object(blob_store._bucket, key, BytesIO(name.encode()), len(name))
    assert command.run("verify-blobs").status == 0
    assert command.run("verify-blobs", "--rate", "fast").status == 2


def test_collect_blobs_tells_what_would_go_removes_it_and_refuses_a_bucket_that_is_not_its_own(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore
) -> None:
    stream = log_of(world, "kept", "deleted")
    stream.add(c.DeleteModel(), "deleted")
    world.append(world.topics.log, stream.values)
    put(blob_store, b"kept", b"deleted", b"orphan")
    command.use(world, blob_store)

    refused = command.run("collect-blobs", "--grace-hours", "0", "--delete")
    assert (refused.status, "has signed the bucket" in refused.err) == (2, True)
    identity = str(TopicReader(world.kafka, world.topics.log, "test").identity())
    assert identity == world.identity.of(world.topics.log)
    asyncio.run(blob_store.inventory.sign(world.topics.registry, identity))

    assert "0 blobs that no event names" in command.run("collect-blobs").out, "all are younger than a week"
    told = command.run("collect-blobs", "--grace-hours", "0")
    assert blob(b"orphan").checksum in told.out and blob(b"deleted").checksum in told.out
    assert "Nothing was removed" in told.out
    assert stored(blob_store) == {blob(one).checksum for one in (b"kept", b"deleted", b"orphan")}
    assert "Removed 2 blobs" in command.run("collect-blobs", "--grace-hours", "0", "--delete").out
    assert stored(blob_store) == {blob(b"kept").checksum}

    put(blob_store, b"another orphan")
    stopped = command.run("collect-blobs", "--grace-hours", "0", "--delete", "--registry-stopped")
    assert "Removed 1 blobs" in stopped.out
    assert stored(blob_store) == {blob(b"kept").checksum}


def test_collect_blobs_removes_uploads_to_storage_that_have_expired(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin() -> None:
        await blob_store.inventory.sign(world.topics.registry, world.identity.of(world.topics.log))
        store_id = await blob_store.staging.begin("0" * 32)
        await blob_store.staging.save(
            StagedUpload("0" * 32, "", "v1.0", "m.bin", 1, "0" * 64, 1, "", "", store_id, expires_at=0)
        )

    async def left() -> list[str]:
        return [upload_id async for upload_id, _ in blob_store.staging.all()]

    command.use(world, blob_store)
    asyncio.run(begin())
    assert "expired" not in command.run("collect-blobs", "--delete").out, "its day is not over"
    monkeypatch.setenv("PRESIGN_UPLOAD_HOURS", "0.0000001")
    monkeypatch.setattr(abandoned, "MARGIN_SECONDS", 0)
    assert "1 uploads straight to storage that have expired" in command.run("collect-blobs").out
    assert asyncio.run(left()) == ["0" * 32]
    command.run("collect-blobs", "--delete")
    assert asyncio.run(left()) == []


def test_presign_user_makes_a_user_with_the_rights_that_it_prints(
    world: KafkaWorld,
    command: CommandLine,
    blob_store: MinioBlobStore,
    stack: NativeStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command.use(world, blob_store)
    bucket, key = blob_store._bucket, (f"narrow-{uuid.uuid4().hex[:8]}", secrets.token_urlsafe(24))
    policy = json.loads(command.run("presign-user", "--policy").out)
    resources = [resource for one in policy["Statement"] for resource in one["Resource"]]
    assert resources == [f"arn:aws:s3:::{bucket}/{prefix}*" for prefix in ("staging/", "sha256/")]
    assert command.run("presign-user").status == 2, "which user is not said"
    for name, value in zip(("PRESIGN_ACCESS_KEY", "PRESIGN_SECRET_KEY"), key, strict=True):
        monkeypatch.setenv(name, value)
    made = command.run("presign-user")
    assert made.status == 0 and key[0] in made.out and key[1] not in made.out, made.err
    client = Minio(stack.minio_endpoint, *key, secure=False, region="us-east-1")
    client.put_object(bucket, "staging/x", BytesIO(b"x"), 1)
    with pytest.raises(S3Error, match="AccessDenied"):
        client.put_object(bucket, f"sha256/{'0' * 64}", BytesIO(b"x"), 1)
    for name, value in zip(("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"), key, strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PRESIGN_ACCESS_KEY", "another")
    refused = command.run("presign-user")
    assert (refused.status, "refused to make the user" in refused.err) == (2, True), "it takes an administrator"


def stored(store: MinioBlobStore) -> set[str]:
    async def listed() -> set[str]:
        return {one.checksum async for one in store.inventory.blobs()}

    return asyncio.run(listed())
