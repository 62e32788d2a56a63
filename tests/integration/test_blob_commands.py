"""`verify-blobs` and `collect-blobs` on a real log and a real store, as an operator runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO

import pytest

from devstack.stack import NativeStack
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.blobs.suspects import Suspect
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


def stored(store: MinioBlobStore) -> set[str]:
    async def listed() -> set[str]:
        return {one.checksum async for one in store.inventory.blobs()}

    return asyncio.run(listed())
