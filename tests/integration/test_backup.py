"""Backup and restore on real servers: what comes back is what was there, byte for byte, or nothing comes back."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from fastavro import reader

from benchmarks.mixed_log import MixedLog
from devstack.stack import NativeStack
from tensorfleet.backup import segments
from tensorfleet.backup.manifest import Manifest, load
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.events.envelope import OwnershipClaimed
from tensorfleet.events.stored import StoredRecord
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.topic_reader import TopicReader
from tests.builders import CODEC, MODEL_ID, Stream, blob, envelope, lifecycle, registration
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld, delivered, known_producer
from tests.integration.projected import project
from tests.integration.test_audit import history, store_blobs

NAMES = ("one", "two")


@pytest.fixture
def world(stack: NativeStack, command: CommandLine, blob_store: MinioBlobStore) -> KafkaWorld:
    """One partition: `history()`, two downloads, and the blobs, which the commands meet."""
    world = KafkaWorld(stack.kafka_bootstrap)
    world.append(world.topics.log, history().values)
    download(world, 2)
    store_blobs(blob_store, *(name.encode() for name in NAMES))
    command.use(world, blob_store)
    return world


def download(world: KafkaWorld, times: int) -> None:
    value = CODEC.encode(envelope(e.ModelDownloaded("v1.0", "svm", 1), sequence=0, epoch=0))
    world.append(world.topics.downloads, [(MODEL_ID.encode(), value)] * times)


@contextmanager
def another_bucket(stack: NativeStack) -> Iterator[MinioBlobStore]:
    name = f"b{uuid.uuid4().hex}"
    store = MinioBlobStore.connect(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, name, False)
    try:
        yield store
    finally:
        store.close()


def stored(kafka: dict[str, str], topic: str) -> list[StoredRecord]:
    source = TopicReader(kafka, topic, "test")
    return list(source.read(source.ranges()))


def ends(kafka: dict[str, str], topics: Topics) -> dict[str, int]:
    """Where a projection of all there is has its checkpoints."""
    names = {"log": topics.log, "downloads": topics.downloads}
    return {
        f"{short}:{one.partition}": one.end
        for short, name in names.items()
        for one in TopicReader(kafka, name, "test").ranges()
    }


def restored_name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def manifest_of(directory: Path) -> Manifest:
    found = load(directory)
    assert found is not None
    return found


def files(directory: Path) -> dict[str, bytes]:
    return {str(one.relative_to(directory)): one.read_bytes() for one in directory.rglob("*") if one.is_file()}


def test_a_restored_registry_has_the_same_records_at_the_same_offsets_and_the_same_read_models(
    stack: NativeStack, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(segments, "MOST_RECORDS", 200)
    world = KafkaWorld(stack.kafka_bootstrap, partitions=3)
    MixedLog(world.kafka, world.topics, CODEC).write(4000)
    command.use(world, blob_store)
    assert command.run("backup", tmp_path).status == 0
    assert any(len(part.segments) > 1 for part in manifest_of(tmp_path).log.partitions)
    name = restored_name()
    done = command.run("restore", tmp_path, "--registry", name)
    assert (done.status, "Every record has its old offset." in done.out) == (0, True), done
    copy = Topics(name, 3)
    for old, new in ((world.topics.log, copy.log), (world.topics.downloads, copy.downloads)):
        before, after = stored(world.kafka, old), stored(world.kafka, new)
        assert len(before) > 500
        assert before == after
    assert all(record.headers and record.timestamp for record in stored(world.kafka, copy.log))
    before_content = project(world.kafka, world.topics, stack.mongodb_url, ends(world.kafka, world.topics))
    after_content = project(world.kafka, copy, stack.mongodb_url, ends(world.kafka, copy))
    assert len(before_content["models"]) > 50
    assert len(before_content["download_counters"]) > 50
    assert before_content == after_content


def test_void_records_and_blobs_come_back_and_the_copy_is_sound(
    world: KafkaWorld, stack: NativeStack, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path
) -> None:
    assert command.run("backup", tmp_path).status == 0
    name = restored_name()
    with another_bucket(stack) as empty:
        command.use(world, empty)
        done = command.run("restore", tmp_path, "--registry", name)
        assert (done.status, "2  blobs put back" in done.out) == (0, True), done
        audit = command.run("audit", "verify", "--registry", name)
        assert (audit.status, "2  blobs whole" in audit.out) == (0, True), audit
    assert stored(world.kafka, f"{name}.model.log.v1") == stored(world.kafka, world.topics.log)
    command.use(world, blob_store)
    again = command.run("restore", tmp_path, "--registry", restored_name())
    assert (again.status, "0  blobs put back" in again.out) == (0, True), again


def test_null_keys_values_and_repeated_headers_come_back_too(
    stack: NativeStack, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path
) -> None:
    world = KafkaWorld(stack.kafka_bootstrap)
    producer = known_producer(world.kafka)
    odd: list[dict[str, Any]] = [
        {"value": None, "key": b"k"},
        {"value": b"", "key": None},
        {"value": b"\xff\x00", "key": b"", "headers": [("a", b"1"), ("a", None), ("", b"")], "timestamp": 1},
    ]
    for fields in odd:
        producer.produce(world.topics.log, partition=0, on_delivery=delivered, **fields)
    assert producer.flush(20) == 0
    command.use(world, blob_store)
    assert command.run("backup", tmp_path).status == 0
    name = restored_name()
    assert command.run("restore", tmp_path, "--registry", name).status == 0
    before, after = stored(world.kafka, world.topics.log), stored(world.kafka, f"{name}.model.log.v1")
    assert before == after
    assert [(one.key, one.value, one.headers) for one in after] == [
        (b"k", None, ()),
        (None, b"", ()),
        (b"", b"\xff\x00", (("a", b"1"), ("a", None), ("", b""))),
    ]
    assert after[2].timestamp == 1


def test_a_backup_goes_on_with_new_segments_and_leaves_the_old_ones(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path
) -> None:
    assert command.run("backup", tmp_path).status == 0
    before, first = files(tmp_path), manifest_of(tmp_path)
    stream = Stream(epoch=3)
    stream.add(registration("three"), "three")
    stream.add(c.AttachFile(blob(b"three")), "three")
    world.append(world.topics.log, stream.values)
    store_blobs(blob_store, b"three")
    assert command.run("backup", tmp_path).status == 0
    after, second = files(tmp_path), manifest_of(tmp_path)
    new = set(after) - set(before)
    assert new == {
        "log/0/00000000000000000023-00000000000000000025.avro",
        f"blobs/{hashlib.sha256(b'three').hexdigest()}",
    }
    assert all(after[name] == content for name, content in before.items() if name != "manifest.json")
    assert second.log.partitions[0].segments[:-1] == first.log.partitions[0].segments
    assert second.downloads == first.downloads
    name = restored_name()
    assert command.run("restore", tmp_path, "--registry", name).status == 0
    assert stored(world.kafka, f"{name}.model.log.v1") == stored(world.kafka, world.topics.log)


def test_segments_are_plain_avro_files(world: KafkaWorld, command: CommandLine, tmp_path: Path) -> None:
    assert command.run("backup", tmp_path).status == 0
    [segment] = manifest_of(tmp_path).log.partitions[0].segments
    with (tmp_path / segment.file).open("rb") as file:
        found: list[Any] = list(reader(file))
    assert [one["offset"] for one in found] == list(range(23))
    assert found[1]["value"] == history().values[1][1]


def test_an_interrupted_backup_leaves_the_one_before_valid(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path, monkeypatch: Any
) -> None:
    assert command.run("backup", tmp_path).status == 0
    before = (tmp_path / "manifest.json").read_bytes()
    world.append(
        world.topics.log,
        [(b"ownership", CODEC.encode(envelope(OwnershipClaimed("http://owner", "three"), epoch=3)))] * 3,
    )

    async def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("tensorfleet.backup.backup.copy_blobs", killed)
        assert command.run("backup", tmp_path).status != 0
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert len(list((tmp_path / "log" / "0").iterdir())) == 2
    name = restored_name()
    assert command.run("restore", tmp_path, "--registry", name).status == 0
    assert len(stored(world.kafka, f"{name}.model.log.v1")) == 23
    world.append(world.topics.log, [(b"k", b"one more")])
    assert command.run("backup", tmp_path).status == 0
    done = manifest_of(tmp_path)
    assert done.log.records == 27
    named = {segment.file for segment in done.log.partitions[0].segments}
    assert {name for name in files(tmp_path) if name.startswith("log/")} == named


def spoil_segment(directory: Path) -> None:
    [segment] = (directory / "log" / "0").iterdir()
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)


def lose_segment(directory: Path) -> None:
    next((directory / "downloads" / "0").iterdir()).unlink()


def spoil_blob(directory: Path) -> None:
    next((directory / "blobs").iterdir()).write_bytes(b"onf")


def edit_manifest(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text().replace('"records": 23', '"records": 22'))


def lose_manifest(directory: Path) -> None:
    (directory / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_segment, "it is altered"),
        (lose_segment, "it is missing"),
        (spoil_blob, "missing or altered"),
        (edit_manifest, "its own SHA-256"),
        (lose_manifest, "no manifest.json"),
    ],
)
def test_nothing_is_restored_from_a_backup_that_is_not_sound(
    spoil: Any, said: str, world: KafkaWorld, stack: NativeStack, command: CommandLine, tmp_path: Path
) -> None:
    assert command.run("backup", tmp_path).status == 0
    spoil(tmp_path)
    name = restored_name()
    with another_bucket(stack) as empty:
        command.use(world, empty)
        done = command.run("restore", tmp_path, "--registry", name)
        assert (done.status, said in done.err) == (1, True), done
        assert not asyncio.run(empty.available())
    assert not TopicReader(world.kafka, f"{name}.model.log.v1", "test").exists()


def test_a_restore_is_refused_where_it_would_mix(
    world: KafkaWorld, command: CommandLine, tmp_path: Path, monkeypatch: Any
) -> None:
    assert command.run("backup", tmp_path).status == 0
    full = command.run("restore", tmp_path)
    assert (full.status, "is not empty" in full.err) == (2, True), full
    monkeypatch.setenv("LOG_PARTITIONS", "6")
    other = command.run("restore", tmp_path, "--registry", restored_name())
    assert (other.status, "LOG_PARTITIONS=1" in other.err) == (2, True), other
    monkeypatch.setenv("REGISTRY_ID", "another")
    renamed = command.run("restore", tmp_path)
    assert (renamed.status, "--registry another" in renamed.err) == (2, True), renamed


def test_a_backup_is_refused_where_it_would_mix(
    world: KafkaWorld, stack: NativeStack, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path
) -> None:
    assert command.run("backup", tmp_path / "a").status == 0
    before = files(tmp_path / "a")
    command.use(KafkaWorld(stack.kafka_bootstrap), blob_store)
    other = command.run("backup", tmp_path / "a")
    assert (other.status, "Use a new folder" in other.err) == (2, True), other
    assert files(tmp_path / "a") == before
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("x")
    mine = command.run("backup", tmp_path / "b")
    assert (mine.status, "thesis.tex" in mine.err) == (2, True), mine


def test_a_log_that_was_made_anew_does_not_continue_the_backup_of_the_old_one(
    world: KafkaWorld, command: CommandLine, tmp_path: Path
) -> None:
    assert command.run("backup", tmp_path).status == 0
    admin = AdminClient(world.admin)
    admin.delete_records([TopicPartition(world.topics.log, 0, 23)])[TopicPartition(world.topics.log, 0)].result(10)
    assert command.run("backup", tmp_path).status == 0
    world.append(world.topics.log, lifecycle(["x"]).values)
    admin.delete_records([TopicPartition(world.topics.log, 0, 24)])[TopicPartition(world.topics.log, 0)].result(10)
    done = command.run("backup", tmp_path)
    assert (done.status, "Records were lost" in done.err) == (2, True), done


def test_where_old_offsets_can_not_be_had_a_file_says_what_they_became(
    world: KafkaWorld, command: CommandLine, tmp_path: Path
) -> None:
    admin = AdminClient(world.admin)
    admin.delete_records([TopicPartition(world.topics.log, 0, 5)])[TopicPartition(world.topics.log, 0)].result(10)
    assert command.run("backup", tmp_path).status == 0
    name = restored_name()
    done = command.run("restore", tmp_path, "--registry", name)
    assert (done.status, "Offsets have changed" in done.out) == (0, True), done
    mapping = json.loads((tmp_path / "restore-mapping.json").read_text())
    assert mapping == {
        f"{name}.model.log.v1": [{"partition": 0, "first": 5, "end": 23, "becomes": 0}],
        f"{name}.model.downloads.v1": [{"partition": 0, "first": 0, "end": 2, "becomes": 0}],
    }
    values = [one.value for one in stored(world.kafka, f"{name}.model.log.v1")]
    assert values == [value for _, value in history().values[5:]]


def test_files_that_were_only_referenced_must_be_there_already(
    world: KafkaWorld, stack: NativeStack, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path
) -> None:
    assert command.run("backup", tmp_path, "--blobs", "reference").status == 0
    assert not (tmp_path / "blobs").exists()
    with another_bucket(stack) as empty:
        command.use(world, empty)
        refused = command.run("restore", tmp_path, "--registry", restored_name())
        assert (refused.status, "is missing in the store" in refused.err) == (2, True), refused
    command.use(world, blob_store)
    assert command.run("restore", tmp_path, "--registry", restored_name()).status == 0


def test_a_file_that_can_not_be_copied_is_named_and_does_not_stop_the_backup(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore, tmp_path: Path
) -> None:
    one, two = (f"sha256/{hashlib.sha256(name.encode()).hexdigest()}" for name in NAMES)
    blob_store._client.remove_object(blob_store._bucket, one)
    done = command.run("backup", tmp_path)
    assert (done.status, "1  blobs missing" in done.out) == (0, True), done
    blob_store._client.put_object(blob_store._bucket, one, BytesIO(b"onf"), 3)
    done = command.run("backup", tmp_path)
    assert (done.status, "1  blobs corrupt" in done.out) == (1, True), done
    assert sorted(one.name for one in (tmp_path / "blobs").iterdir()) == [two.removeprefix("sha256/")]
    blob_store._client.remove_object(blob_store._bucket, one)
    store_blobs(blob_store, b"one")
    done = command.run("backup", tmp_path)
    assert (done.status, "2  blobs copied" in done.out) == (0, True), done


def test_a_writer_beside_the_restore_is_noticed(
    world: KafkaWorld, command: CommandLine, tmp_path: Path, monkeypatch: Any
) -> None:
    assert command.run("backup", tmp_path).status == 0
    name = restored_name()

    async def intruder(*_: Any) -> None:
        world.append(f"{name}.model.log.v1", [(b"ownership", b"x")])

    monkeypatch.setattr("tensorfleet.backup.restore._put_blobs", intruder)
    done = command.run("restore", tmp_path, "--registry", name)
    assert (done.status, "something else writes" in done.err) == (2, True), done


def test_two_backups_at_once_do_not_meet_in_one_folder(world: KafkaWorld, command: CommandLine, tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = command.run("backup", tmp_path)
    assert (done.status, "Another backup" in done.err) == (2, True), done
    assert command.run("backup", tmp_path).status == 0
