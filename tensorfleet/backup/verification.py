"""Is a backup what its manifest says? Answered from the folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tensorfleet.backup import manifest as manifests
from tensorfleet.backup.blobs import is_copied
from tensorfleet.backup.manifest import BlobState, Manifest, Segment
from tensorfleet.backup.segments import digest, read_segment
from tensorfleet.domain.errors import BackupInvalid
from tensorfleet.progress import Progress

_MOST_NAMED: Final = 20


def verify_backup(directory: Path, progress: Progress) -> Manifest:
    """Read all of it. BackupInvalid names what is missing or altered."""
    manifest = manifests.load(directory)
    if manifest is None:
        raise BackupInvalid(f"{directory} holds no {manifests.NAME}: it is not a backup, or its first run never ended.")
    parts = [part for topic in manifest.topics.values() for part in topic.partitions]
    segments = [(part.partition, segment) for part in parts for segment in part.segments]
    copied = [one for one in manifest.blobs if one.state is BlobState.COPIED]
    progress.begin("verifying the backup", len(segments) + len(copied))
    wrong: list[str] = []
    for partition, segment in segments:
        wrong += _faults(directory, partition, segment)
        progress.advance()
    for blob in copied:
        if not is_copied(directory, blob):
            wrong.append(f"blobs/{blob.checksum}: it is missing or altered")
        progress.advance()
    if wrong:
        named = "".join(f"\n  {one}" for one in wrong[:_MOST_NAMED])
        raise BackupInvalid(f"The backup in {directory} is not sound, {len(wrong)} files are wrong:{named}")
    return manifest


def _faults(directory: Path, partition: int, segment: Segment) -> list[str]:
    path = directory / segment.file
    if not path.is_file():
        return [f"{segment.file}: it is missing"]
    if digest(path) != (segment.bytes, segment.sha256):
        return [f"{segment.file}: it is altered"]
    try:
        for _ in read_segment(directory, partition, segment):
            pass
    except BackupInvalid as error:
        return [error.detail]
    return []
