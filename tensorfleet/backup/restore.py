"""Restores a backup into empty servers: first everything is verified, then blobs, then records are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from tensorfleet.backup.blobs import put_blob
from tensorfleet.backup.manifest import BlobEntry, BlobState, Manifest, TopicBackup
from tensorfleet.backup.mapping import OffsetMapping
from tensorfleet.backup.segments import read_segment
from tensorfleet.backup.verification import verify_backup
from tensorfleet.blobs.inspection import Condition, inspect
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BackupRefused
from tensorfleet.events.stored import StoredRecord
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topic_writer import TopicWriter
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.progress import Progress

MAPPING_NAME: Final = "restore-mapping.json"


@dataclass(frozen=True, slots=True)
class Target:
    """The registry to be. `topics` and the backup must have the same number of partitions."""

    topics: Topics
    kafka: Mapping[str, str]
    replication: int
    store: BlobStore
    client_id: str

    def reader(self, topic: str) -> TopicReader:
        return TopicReader(self.kafka, topic, self.client_id)


@dataclass(frozen=True, slots=True)
class Restored:
    """`mapped`: offsets had to change, and the mapping file says how."""

    manifest: Manifest
    blobs_put: int
    mapped: bool


async def restore(directory: Path, target: Target, progress: Progress) -> Restored:
    """BackupInvalid or BackupRefused before anything is written, if the backup or the servers are not fit for it.

    Later only a server that fails, or another writer, can stop it; then the topics must be deleted before the next try.
    """
    manifest = verify_backup(directory, progress)
    _require_fit(manifest, target)
    missing = await _missing_blobs(manifest, target.store, progress)
    admin = configuration.admin(target.kafka, target.client_id)
    prepare_topics(admin, target.topics.specs, target.replication)
    await _put_blobs(directory, target.store, missing, progress)
    names = {"log": target.topics.log, "downloads": target.topics.downloads}
    mappings = {
        short: _write(directory, target, names[short], backup, progress) for short, backup in manifest.topics.items()
    }
    mapped = not all(one.identical for one in mappings.values())
    if mapped:
        content = {names[short]: one.as_json() for short, one in mappings.items()}
        _write_mapping(directory / MAPPING_NAME, content)
    return Restored(manifest, len(missing), mapped)


def _require_fit(manifest: Manifest, target: Target) -> None:
    partitions = len(manifest.log.partitions)
    if partitions != target.topics.partitions:
        raise BackupRefused(
            f"The backup has {partitions} partitions, LOG_PARTITIONS is {target.topics.partitions}. A model's "
            f"partition depends on the number: set LOG_PARTITIONS={partitions}, here and for the services."
        )
    topics = target.topics
    for name in (topics.log, topics.downloads, topics.feed, topics.state):
        reader = target.reader(name)
        if reader.exists() and any(one.end for one in reader.ranges()):
            raise BackupRefused(
                f"The topic {name} is not empty, or was not always. Restore under another registry id (--registry), or "
                "delete the registry's topics first."
            )


async def _missing_blobs(manifest: Manifest, store: BlobStore, progress: Progress) -> list[BlobEntry]:
    """The copied blobs that the store does not have. BackupRefused for what it should have, or has otherwise."""
    wanted = [one for one in manifest.blobs if one.state in (BlobState.COPIED, BlobState.REFERENCED)]
    progress.begin("looking at the blobs that are there", len(wanted))
    missing, wrong = [], []
    for one in wanted:
        found = await inspect(store, one.checksum, one.size_bytes)
        if found.condition is Condition.MISSING and one.state is BlobState.COPIED:
            missing.append(one)
        elif found.condition is not Condition.WHOLE:
            wrong.append(f"sha256:{one.checksum} is {found.condition} in the store {found.detail}".rstrip())
        progress.advance()
    if wrong:
        raise BackupRefused("Object storage is not fit for this backup:\n  " + "\n  ".join(wrong[:20]))
    return missing


async def _put_blobs(directory: Path, store: BlobStore, missing: list[BlobEntry], progress: Progress) -> None:
    """Blobs before the events that name them."""
    progress.begin("restoring blobs", len(missing))
    await store.ensure_bucket()
    for one in missing:
        await put_blob(store, directory, one)
        progress.advance()


def _write(directory: Path, target: Target, topic: str, backup: TopicBackup, progress: Progress) -> OffsetMapping:
    progress.begin(f"restoring {topic}", backup.records)
    mapping = OffsetMapping(topic)

    def written(record: StoredRecord, offset: int) -> None:
        mapping.note(record, offset)
        progress.advance()

    writer = TopicWriter(target.kafka, topic, target.client_id, written)
    for record in _records(directory, backup):
        writer.append(record)
    writer.finish()
    return mapping


def _records(directory: Path, backup: TopicBackup) -> Iterator[StoredRecord]:
    for part in backup.partitions:
        for segment in part.segments:
            yield from read_segment(directory, part.partition, segment)


def _write_mapping(path: Path, content: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
