"""The audit on real servers: silent about a log that is as it was written, and exact about one that is not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.mixed_log import MixedLog
from devstack.stack import NativeStack
from tensorfleet.audit.export_format import closing_line, parse_record, record_line
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.names import model_id_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.envelope import OwnershipClaimed
from tests.builders import CODEC, MODEL_ID, Stream, blob, envelope, lifecycle, registration
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld
from tests.processes import free_port

NAMES = ("one", "two")
Values = list[tuple[bytes, bytes]]


def history() -> Stream:
    """A claim, eight events of each model, a new owner's claim, two records of the old owner, a claim that lost its
    duel, and one more event of each model."""
    stream = lifecycle(NAMES)
    stream.claim(2)
    for number in (9, 10):
        void = envelope(e.ModelArchived(None), epoch=1, sequence=number, model_id=model_id_of("one"), model_name="one")
        stream.raw(void.model_id.encode(), CODEC.encode(void))
    stream.raw(b"ownership", CODEC.encode(envelope(OwnershipClaimed("http://other", "two"), epoch=2)))
    for name in NAMES:
        stream.add(c.UpdateModel(version_fields=c.VersionFields(metrics={"accuracy": 0.75})), name)
    return stream


@pytest.fixture
def world(stack: NativeStack, command: CommandLine) -> KafkaWorld:
    """Topics with one partition, which the commands meet."""
    world = KafkaWorld(stack.kafka_bootstrap)
    command.use(world)
    return world


def store_blobs(store: MinioBlobStore, *contents: bytes) -> None:
    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        yield content

    async def put() -> None:
        for content in contents:
            await store.put(chunks(content), expected_checksum=None, max_bytes=1 << 30)

    asyncio.run(put())


def found(out: str) -> list[tuple[str, str]]:
    """Position and kind of each violation that was printed."""
    lines = out.partition("NOT SOUND")[2].splitlines()[1:]
    return [(match[1], match[2]) for line in lines if (match := re.match(r"  (line \d+|\d+:\d+) +([a-z-]+)", line))]


def test_a_log_is_sound_with_void_records_of_fenced_owners_and_claims_that_came_too_late(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore
) -> None:
    world.append(world.topics.log, history().values)
    store_blobs(blob_store, *(name.encode() for name in NAMES))
    command.use(world, blob_store)
    done = command.run("audit", "verify")
    assert (done.status, done.err) == (0, "reading the log: 23\nchecking blobs: 2\n"), done
    numbers = {line.split(maxsplit=1)[1]: int(line.split()[0]) for line in done.out.splitlines()[1:-1]}
    assert numbers == {
        "records": 23,
        "events": 18,
        "models": 2,
        "claims": 2,
        "claims that came too late": 1,
        "void records of fenced owners": 2,
        "blobs whole": 2,
    }


def test_a_busy_log_of_several_partitions_is_sound_and_so_is_its_export(
    stack: NativeStack, command: CommandLine, tmp_path: Path
) -> None:
    world = KafkaWorld(stack.kafka_bootstrap, partitions=3)
    MixedLog(world.kafka, world.topics, CODEC).write(3000)
    command.use(world)
    assert command.run("audit", "verify", "--no-blobs").status == 0
    for name in ("first", "second"):
        assert command.run("audit", "export", "-o", tmp_path / name).status == 0
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert command.run("audit", "verify", tmp_path / "first").status == 0


def altered(value: bytes, old: bytes = b"first", new: bytes = b"firsu") -> bytes:
    """One bit flipped in what the model's description says: still a record that can be decoded."""
    assert old in value
    return value.replace(old, new)


def replace_at(values: Values, offset: int, value: bytes) -> Values:
    return [*values[:offset], (values[offset][0], value), *values[offset + 1 :]]


def forged_event(values: Values) -> Values:
    forged = envelope(e.ModelDeleted(), epoch=9, sequence=1, model_id=MODEL_ID)
    return [*values[:4], (MODEL_ID.encode(), CODEC.encode(forged)), *values[4:]]


def inserted_event(values: Values) -> Values:
    """The insertion continues the stream well; the next real record then comes second with its number."""
    before = hashlib.sha256(values[8][1]).digest()
    fields = {"sequence": 9, "previous_hash": before, "model_id": model_id_of("one"), "model_name": "one"}
    return [*values[:9], (values[8][0], CODEC.encode(envelope(e.ModelArchived(None), **fields))), *values[9:]]


def repeated_event_id(values: Values) -> Values:
    twin = envelope(
        e.ModelRegistered("v1.0", "svm", "", "", (), "", {}, {}, {}), event_id=CODEC.decode(values[3][1]).event_id
    )
    return [*values[:5], (MODEL_ID.encode(), CODEC.encode(twin)), *values[5:]]


def impossible_event(values: Values) -> Values:
    ghost = envelope(e.ModelDeleted())
    return [*values[:5], (MODEL_ID.encode(), CODEC.encode(ghost)), *values[5:]]


EDITS: dict[str, tuple[Callable[[Values], Values], list[tuple[str, str]]]] = {
    # The edit shows at the next record of the model, whose hash no longer fits; the text names the altered one.
    "a bit flipped in a value": (lambda v: replace_at(v, 1, altered(v[1][1])), [("0:2", "chain")]),
    "bytes that are no record": (lambda v: replace_at(v, 1, b"\x00" * 40), [("0:1", "unreadable"), ("0:2", "gap")]),
    "a record removed": (lambda v: v[:3] + v[4:], [("0:3", "gap")]),
    "a record repeated": (lambda v: [*v[:4], v[3], *v[4:]], [("0:4", "repeat")]),
    "a record inserted": (inserted_event, [("0:22", "repeat")]),
    "two records swapped": (lambda v: [*v[:3], v[4], v[3], *v[5:]], [("0:3", "gap"), ("0:4", "repeat")]),
    "an event under an epoch that nobody claimed": (forged_event, [("0:4", "epoch")]),
    "an event id used twice": (repeated_event_id, [("0:5", "event-id")]),
    "an event that its model cannot have": (impossible_event, [("0:5", "fold")]),
    "another key": (lambda v: [*v[:3], (b"other", v[3][1]), *v[4:]], [("0:3", "misplaced")]),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_the_log_is_found_where_it_is(edit: str, world: KafkaWorld, command: CommandLine) -> None:
    change, expected = EDITS[edit]
    world.append(world.topics.log, change(history().values))
    done = command.run("audit", "verify", "--no-blobs")
    assert done.status == 1
    assert found(done.out) == expected, done.out


def owners() -> Values:
    """Two owners, one after the other: their claims at 0:0 and 0:4, three events of the first and two of the second."""
    stream = Stream()
    for number in range(5):
        if number == 3:
            stream.claim(2)
        metrics = c.VersionFields(metrics={"accuracy": number / 8})
        stream.add(c.UpdateModel(version_fields=metrics) if number else registration())
    return stream.values


def claim(epoch: int) -> tuple[bytes, bytes]:
    return b"ownership", CODEC.encode(envelope(OwnershipClaimed("http://owner", "one"), epoch=epoch))


CLAIMS: dict[str, tuple[Callable[[Values], Values], list[tuple[str, str]]]] = {
    "a claim removed": (lambda v: v[:4] + v[5:], [("0:4", "epoch"), ("0:5", "epoch")]),
    "a claim whose epoch is beyond the next": (
        lambda v: [*v[:4], claim(3), *v[5:]],
        [("0:4", "epoch"), ("0:5", "epoch"), ("0:6", "epoch")],
    ),
    "a claim inserted": (lambda v: [*v[:2], claim(2), *v[2:]], [("0:6", "gap")]),
    "a claim of no epoch": (lambda v: [*v[:2], claim(0), *v[2:]], [("0:2", "epoch")]),
}


@pytest.mark.parametrize("edit", CLAIMS)
def test_a_forged_or_missing_claim_is_found_where_it_tells(edit: str, world: KafkaWorld, command: CommandLine) -> None:
    change, expected = CLAIMS[edit]
    world.append(world.topics.log, change(owners()))
    done = command.run("audit", "verify", "--no-blobs")
    assert done.status == 1
    assert found(done.out) == expected, done.out


def test_events_before_any_claim_are_nobodys(world: KafkaWorld, command: CommandLine) -> None:
    world.append(world.topics.log, [(MODEL_ID.encode(), CODEC.encode(envelope(e.ModelDeleted(), epoch=0)))])
    assert ("0:0", "epoch") in found(command.run("audit", "verify", "--no-blobs").out)


def test_a_log_whose_beginning_was_deleted_is_not_sound(world: KafkaWorld, command: CommandLine) -> None:
    world.append(world.topics.log, owners())
    admin = AdminClient(world.admin)
    admin.delete_records([TopicPartition(world.topics.log, 0, 2)])[TopicPartition(world.topics.log, 0)].result(10)
    done = command.run("audit", "verify", "--no-blobs")
    assert found(done.out)[0] == ("0:0", "hole"), done.out


def test_the_audit_of_one_model_sees_its_records_and_the_claims_alone(world: KafkaWorld, command: CommandLine) -> None:
    values = history().values
    world.append(world.topics.log, replace_at(values, 1, altered(values[1][1])))
    assert command.run("audit", "verify", "--no-blobs", "--model", model_id_of("one")).status == 1
    done = command.run("audit", "verify", "--no-blobs", "--model", model_id_of("two"))
    assert done.status == 0
    assert "12  records" in done.out


def test_a_missing_and_a_damaged_blob_are_told_apart(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore
) -> None:
    world.append(world.topics.log, lifecycle(["gone", "damaged", "short", "whole"]).values)
    store_blobs(blob_store, b"whole")
    for content, stored in ((b"damaged", b"damagee"), (b"short", b"shor")):
        key = f"sha256/{hashlib.sha256(content).hexdigest()}"
        blob_store._client.put_object(blob_store._bucket, key, BytesIO(stored), len(stored))
    command.use(world, blob_store)
    done = command.run("audit", "verify")
    assert done.status == 1
    assert found(done.out) == [("0:2", "blob-missing"), ("0:10", "blob-corrupt"), ("0:18", "blob-corrupt")], done.out
    assert "1  blobs whole" in done.out


def test_a_blob_that_has_rotted_on_the_disk_of_the_store_is_damaged(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore, stack: NativeStack
) -> None:
    content = bytes(2 * 1024 * 1024)
    stream = Stream()
    stream.add(registration())
    stream.add(c.AttachFile(blob(content)))
    world.append(world.topics.log, stream.values)
    store_blobs(blob_store, content)
    [part] = stack._minio_data.glob(f"{blob_store._bucket}/sha256/*/*/part.1")
    rotten = bytearray(part.read_bytes())
    rotten[1_500_000] ^= 1
    part.write_bytes(rotten)
    command.use(world, blob_store)
    done = command.run("audit", "verify")
    assert (done.status, found(done.out)) == (1, [("0:2", "blob-corrupt")]), done


def test_the_blob_of_what_was_deleted_may_be_gone(
    world: KafkaWorld, command: CommandLine, blob_store: MinioBlobStore
) -> None:
    stream = lifecycle(["deleted model"])
    stream.add(c.DeleteModel(), "deleted model")
    stream.add(registration("deleted version"), "deleted version")
    stream.add(c.AttachFile(blob(b"deleted version")), "deleted version")
    stream.add(c.CreateVersion(), "deleted version")
    stream.add(c.DeleteVersion(ModelVersion(1, 0)), "deleted version")
    world.append(world.topics.log, stream.values)
    command.use(world, blob_store)
    done = command.run("audit", "verify")
    assert done.status == 0, done.out
    assert "2  blobs gone with what was deleted" in done.out


def test_what_can_not_be_checked_is_neither_sound_nor_unsound(
    world: KafkaWorld, command: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world.append(world.topics.log, history().values)
    assert command.run("audit", "verify").err.endswith("\n")
    unknown = command.run("audit", "verify", "--no-blobs", "--model", "0" * 24)
    assert (unknown.status, "no model" in unknown.err) == (2, True), unknown
    assert command.run("audit", "verify", "--model", "x").status == 2
    assert command.run("audit", "verify", tmp_path / "absent").status == 2
    (tmp_path / "else").write_text("{}\n")
    assert "no log export" in command.run("audit", "verify", tmp_path / "else").err
    other = command.run("audit", "verify", "--registry", "nobody")
    assert (other.status, "no topic nobody.model.log.v1" in other.err) == (2, True), other
    monkeypatch.setenv("MINIO_ENDPOINT", f"127.0.0.1:{free_port()}")
    no_blobs = command.run("audit", "verify")
    assert (no_blobs.status, "blob store does not answer" in no_blobs.err) == (2, True), no_blobs
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS")
    unset = command.run("audit", "verify")
    assert (unset.status, "KAFKA_BOOTSTRAP_SERVERS" in unset.err) == (2, True), unset


def test_no_kafka_is_said_within_a_while(command: CommandLine, world: KafkaWorld, monkeypatch: Any) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    done = command.run("audit", "verify")
    assert (done.status, "Kafka does not answer" in done.err) == (2, True), done


@pytest.fixture
def export(world: KafkaWorld, command: CommandLine, tmp_path: Path) -> Path:
    """An export of `history()`."""
    world.append(world.topics.log, history().values)
    path = tmp_path / "log.jsonl"
    assert command.run("audit", "export", "-o", path).status == 0
    return path


def test_an_export_shows_the_events_and_tells_what_it_holds(export: Path, world: KafkaWorld) -> None:
    header, *records, closing = [json.loads(line) for line in export.read_text().splitlines()]
    assert header["ranges"] == [{"partition": 0, "first": 0, "end": 23}]
    assert (header["registry"], header["cluster_id"]) == (world.topics.registry, world.identity.cluster_id)
    assert header["topic_id"] == world.identity.topic_ids[world.topics.log]
    assert closing["records"] == len(records) == 23
    assert [records[1]["event"][name] for name in ("event_type", "model_name", "sequence")] == [
        "ModelRegistered",
        "one",
        1,
    ]
    assert records[1]["event"]["section"]["description"] == "first"


def test_an_export_to_standard_output_is_the_same(export: Path, command: CommandLine) -> None:
    assert command.run("audit", "export").out.encode() == export.read_bytes()


def test_the_export_of_one_model_holds_its_records_and_all_claims(
    export: Path, command: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "one.jsonl"
    assert command.run("audit", "export", "--model", model_id_of("one"), "-o", path).status == 0
    header, *records, _ = [json.loads(line) for line in path.read_text().splitlines()]
    assert header["offsets_have_holes"] is True
    expected = [*range(9), *range(17, 22)]
    assert [one["position"] for one in records] == [f"0:{offset}" for offset in expected]
    assert command.run("audit", "verify", path).status == 0
    unknown = command.run("audit", "export", "--model", "0" * 24, "-o", tmp_path / "none")
    assert (unknown.status, (tmp_path / "none").exists()) == (2, False)


def resealed(lines: list[bytes]) -> list[bytes]:
    """With a closing line that fits: whoever edits a file can do that too."""
    *before, _ = lines
    return [*before, closing_line(len(before) - 1, hashlib.sha256(b"".join(before)).hexdigest())]


def reworded(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b'"first"', b'"worst"'), *lines[3:]]


def revalued(lines: list[bytes]) -> list[bytes]:
    """The raw bytes altered, and the event shown with them too."""
    record = parse_record(lines[2])
    edited = replace(record, value=altered(record.value or b""))
    return [*lines[:2], record_line(edited, CODEC), *lines[3:]]


FILE_EDITS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], list[tuple[str, str]]]] = {
    "an event reworded": (reworded, [("line 3", "edited"), ("line 25", "edited")]),
    "an event reworded, resealed": (lambda one: resealed(reworded(one)), [("line 3", "edited")]),
    "raw bytes altered": (revalued, [("0:2", "chain"), ("line 25", "edited")]),
    "raw bytes altered, resealed": (lambda one: resealed(revalued(one)), [("0:2", "chain")]),
    "a line removed": (
        lambda one: one[:4] + one[5:],
        [("0:3", "hole"), ("0:4", "gap"), ("line 24", "edited")],
    ),
    "the last record removed, resealed": (lambda one: resealed([*one[:-2], one[-1]]), [("0:22", "hole")]),
    "a line that is no JSON": (
        lambda one: [*one[:4], b"?\n", *one[4:]],
        [("line 5", "edited"), ("line 26", "edited")],
    ),
    "the closing line gone": (lambda one: one[:-1], [("line 24", "truncated")]),
    "cut off in a line": (
        lambda one: [*one[:-2], one[-2][:50]],
        [("line 24", "truncated"), ("line 24", "edited"), ("0:22", "hole")],
    ),
    "cut off at a line": (lambda one: one[:-3], [("line 22", "truncated"), ("0:21", "hole")]),
    "a line after the end": (
        lambda one: [*one, one[5]],
        [("line 25", "edited"), ("line 26", "truncated"), ("0:4", "order")],
    ),
}


@pytest.mark.parametrize("edit", FILE_EDITS)
def test_an_edit_of_an_export_is_found(edit: str, export: Path, command: CommandLine) -> None:
    change, expected = FILE_EDITS[edit]
    export.write_bytes(b"".join(change(export.read_bytes().splitlines(keepends=True))))
    done = command.run("audit", "verify", export)
    assert done.status == 1
    assert sorted(found(done.out)) == sorted(expected), done.out
