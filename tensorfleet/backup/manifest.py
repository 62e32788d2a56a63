"""The manifest: what a backup holds. A backup is what its manifest says; other files in the folder mean nothing."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from tensorfleet.blobs.checksums import is_checksum
from tensorfleet.domain.errors import BackupInvalid

NAME: Final = "manifest.json"
_SEGMENT_FILE: Final = re.compile(r"(log|downloads)/[0-9]{1,4}/[0-9]{20}-[0-9]{20}\.avro")


class BlobState(StrEnum):
    """COPIED is in the folder; REFERENCED was only named; MISSING and CORRUPT could not be copied."""

    COPIED = "copied"
    REFERENCED = "referenced"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class Segment:
    """A file with the records from offset `first` up to, without, `end`; the offsets may have holes."""

    file: str
    first: int
    end: int
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PartitionBackup:
    """The segments follow each other from `first` to `end`."""

    partition: int
    first: int
    end: int
    segments: tuple[Segment, ...] = ()

    @property
    def records(self) -> int:
        return sum(one.records for one in self.segments)


@dataclass(frozen=True, slots=True)
class TopicBackup:
    topic: str
    topic_id: str
    partitions: tuple[PartitionBackup, ...]

    @property
    def records(self) -> int:
        return sum(one.records for one in self.partitions)


@dataclass(frozen=True, slots=True)
class BlobEntry:
    checksum: str
    size_bytes: int
    state: BlobState


@dataclass(frozen=True, slots=True)
class Manifest:
    """`sha256` is over the manifest as it is written with an empty `sha256`. `finished_at` is RFC 3339, UTC."""

    registry: str
    cluster_id: str
    log: TopicBackup
    downloads: TopicBackup
    blobs: tuple[BlobEntry, ...]
    finished_at: str
    sha256: str = ""
    format: Literal["tensorfleet-backup"] = "tensorfleet-backup"
    version: Literal[1] = 1

    @property
    def topics(self) -> dict[str, TopicBackup]:
        return {"log": self.log, "downloads": self.downloads}


_ADAPTER: Final = TypeAdapter(Manifest)


def load(directory: Path) -> Manifest | None:
    """None if there is no manifest. BackupInvalid if there is one that can't be believed."""
    try:
        written = (directory / NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        manifest = _ADAPTER.validate_json(written, strict=True)
    except ValidationError as error:
        raise BackupInvalid(
            f"{directory / NAME} is not the manifest of a backup: {error.error_count()} faults."
        ) from None
    if _sealed(manifest) != manifest or not _plausible(manifest):
        raise BackupInvalid(f"{directory / NAME} is not as it was written: its own SHA-256 is another one.")
    return manifest


def save(directory: Path, manifest: Manifest) -> Manifest:
    """Put the manifest in the place of the one before, at once and durably; returns it sealed."""
    sealed = _sealed(manifest)
    unfinished = directory / f"{NAME}.part"
    with unfinished.open("wb") as file:
        file.write(_written(sealed))
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(directory / NAME)
    sync_directory(directory)
    return sealed


def sync_directory(directory: Path) -> None:
    """Make the names in a folder as durable as the files."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sealed(manifest: Manifest) -> Manifest:
    return replace(manifest, sha256=hashlib.sha256(_written(replace(manifest, sha256=""))).hexdigest())


def _written(manifest: Manifest) -> bytes:
    return _ADAPTER.dump_json(manifest, indent=1) + b"\n"


def _plausible(manifest: Manifest) -> bool:
    """The names lead nowhere else, and the segments follow each other."""
    partitions = [one for topic in manifest.topics.values() for one in topic.partitions]
    return all(map(_contiguous, partitions)) and all(is_checksum(one.checksum) for one in manifest.blobs)


def _contiguous(partition: PartitionBackup) -> bool:
    end = partition.first
    for segment in partition.segments:
        if not _SEGMENT_FILE.fullmatch(segment.file) or segment.first != end or segment.end <= segment.first:
            return False
        end = segment.end
    return end == partition.end
