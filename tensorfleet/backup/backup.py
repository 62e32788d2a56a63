"""Makes a backup, or continues one: new segments, new blobs, and at the very end the new manifest."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tensorfleet.backup import manifest as manifests
from tensorfleet.backup.blobs import copy_blobs
from tensorfleet.backup.manifest import BlobEntry, BlobState, Manifest, PartitionBackup, Segment, TopicBackup
from tensorfleet.backup.segments import SegmentWriter
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import BackupRefused, LogLost
from tensorfleet.domain.events import ModelFileAttached
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.kafka.topic_reader import TopicIdentity, TopicReader
from tensorfleet.progress import Progress

_LOCK: Final = ".lock"
_OURS: Final = {"log", "downloads", "blobs", manifests.NAME, f"{manifests.NAME}.part", _LOCK}


@dataclass(frozen=True, slots=True)
class Source:
    """`readers` are those of the topics by short name, `log` and `downloads`. Without `store` no blob is copied."""

    registry: str
    readers: Mapping[str, TopicReader]
    store: BlobStore | None
    codec: Codec


async def back_up(source: Source, directory: Path, progress: Progress) -> Manifest:
    """Bring the backup in `directory` up to the present.

    Until the new manifest is in place the one before stays valid, whatever happens. BackupRefused: the folder holds
    something else, or the backup of another log. LogLost: Kafka no longer holds what comes next.
    """
    with _locked(directory):
        before = manifests.load(directory)
        _require_ours(directory, before)
        identities = {short: reader.identity() for short, reader in source.readers.items()}
        known = {short: _known(before, short, source.registry, one) for short, one in identities.items()}
        _sweep(directory, before)
        entries = {one.checksum: one for one in before.blobs} if before else {}
        topics = {
            short: _back_up_topic(directory, short, reader, known[short], source.codec, entries, progress)
            for short, reader in source.readers.items()
        }
        blobs = await copy_blobs(source.store, directory, list(entries.values()), progress)
        cluster_id, finished = identities["log"].cluster_id, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        manifest = Manifest(source.registry, cluster_id, topics["log"], topics["downloads"], tuple(blobs), finished)
        return manifests.save(directory, manifest)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Two runs in one folder would sweep away each other's segments."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(f"Another backup is being made in {directory}.") from None
        yield


def _back_up_topic(
    directory: Path,
    short: str,
    reader: TopicReader,
    known: TopicBackup,
    codec: Codec,
    entries: dict[str, BlobEntry],
    progress: Progress,
) -> TopicBackup:
    held = {one.partition: one for one in reader.ranges()}
    parts = {one.partition: one for one in known.partitions}
    if parts and parts.keys() != held.keys():
        raise BackupRefused(f"{reader.topic} has {len(held)} partitions, in the backup it has {len(parts)}.")
    ranges = [_missing(reader.topic, one, parts.get(number)) for number, one in sorted(held.items())]
    progress.begin(f"copying {short}", sum(map(len, ranges)))
    result = []
    for one in ranges:
        records = _noting_blobs(reader.read([one]), entries, codec) if short == "log" else reader.read([one])
        old = parts.get(one.partition, PartitionBackup(one.partition, one.first, one.first))
        new = _write_segments(directory, short, one, records, progress)
        result.append(replace(old, end=one.end, segments=(*old.segments, *new)))
    return replace(known, partitions=tuple(result))


def _write_segments(
    directory: Path, short: str, wanted: OffsetRange, records: Iterable[StoredRecord], progress: Progress
) -> list[Segment]:
    """Segments that together stand for all of `wanted`, even where it has holes."""
    if not len(wanted):
        return []
    done: list[Segment] = []
    writer = SegmentWriter(directory, short, wanted.partition, wanted.first)
    try:
        for record in records:
            if writer.full:
                done.append(writer.close(record.offset))
                writer = SegmentWriter(directory, short, wanted.partition, record.offset)
            writer.add(record)
            progress.advance()
        done.append(writer.close(wanted.end))
    except BaseException:
        writer.discard()
        raise
    return done


def _noting_blobs(
    records: Iterable[StoredRecord], entries: dict[str, BlobEntry], codec: Codec
) -> Iterable[StoredRecord]:
    """Void records count too: a backup does not judge, and their blobs may be there."""
    for record in records:
        try:
            event = codec.decode(record.value or b"").event
        except Undecodable:
            event = None
        if isinstance(event, ModelFileAttached):
            file = event.file
            entries.setdefault(file.checksum, BlobEntry(file.checksum, file.size_bytes, BlobState.REFERENCED))
        yield record


def _missing(topic: str, held: OffsetRange, known: PartitionBackup | None) -> OffsetRange:
    """What Kafka holds and the backup does not."""
    if known is None:
        return held
    if held.end < known.end or held.first > known.end:
        raise LogLost(
            f"{topic}[{held.partition}] holds the offsets from {held.first} to {held.end}, but the backup goes on at "
            f"{known.end}. Records were lost. Keep this backup; a new one needs a new folder."
        )
    return OffsetRange(held.partition, known.end, held.end)


def _known(before: Manifest | None, short: str, registry: str, identity: TopicIdentity) -> TopicBackup:
    """What the backup holds of a topic already."""
    if before is None:
        return TopicBackup(identity.topic, identity.topic_id, ())
    known = before.topics[short]
    mine = (before.registry, before.cluster_id, known.topic_id)
    if mine != (registry, identity.cluster_id, identity.topic_id):
        raise BackupRefused(
            f"The folder holds a backup of registry {mine[0]}, cluster {mine[1]}, topic id {mine[2]}. {identity.topic} "
            f"is of registry {registry}, cluster {identity.cluster_id}, topic id {identity.topic_id}. Use a new folder."
        )
    return known


def _require_ours(directory: Path, before: Manifest | None) -> None:
    foreign = sorted(one.name for one in directory.iterdir() if one.name not in _OURS)
    if before is None and foreign:
        raise BackupRefused(
            f"{directory} holds no backup, but other things: {', '.join(foreign[:5])}. Use a new folder."
        )


def _sweep(directory: Path, before: Manifest | None) -> None:
    """Remove the segments that an interrupted run left: no manifest names them."""
    partitions = [part for topic in before.topics.values() for part in topic.partitions] if before else []
    named = {segment.file for part in partitions for segment in part.segments}
    for short in ("log", "downloads"):
        for file in directory.glob(f"{short}/*/*"):
            if file.suffix in (".avro", ".part") and str(file.relative_to(directory)) not in named:
                file.unlink()
