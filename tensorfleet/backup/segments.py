"""Segments: Avro object container files with the records of one partition, in order."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fastavro import parse_schema, reader
from fastavro.write import Writer

from tensorfleet.backup.manifest import Segment, sync_directory
from tensorfleet.domain.errors import BackupInvalid
from tensorfleet.events.stored import StoredRecord

MOST_RECORDS: Final = 100_000
MOST_BYTES: Final = 64 * 1024 * 1024
_BLOCK_BYTES: Final = 256 * 1024
_SCHEMA: Final = parse_schema(
    {
        "type": "record",
        "name": "StoredRecord",
        "namespace": "tensorfleet.backup",
        "doc": "One Kafka record; timestamp is in milliseconds since 1970.",
        "fields": [
            {"name": "offset", "type": "long"},
            {"name": "timestamp", "type": ["null", "long"]},
            {"name": "key", "type": ["null", "bytes"]},
            {"name": "value", "type": ["null", "bytes"]},
            {
                "name": "headers",
                "type": {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "Header",
                        "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": ["null", "bytes"]}],
                    },
                },
            },
        ],
    }
)


class SegmentWriter:
    """One segment in the making; the file has its name only once it is whole. `close` or `discard` ends it."""

    def __init__(self, directory: Path, topic: str, partition: int, first: int) -> None:
        """`topic` is the short name, `log` or `downloads`."""
        self._directory = directory
        self._folder = f"{topic}/{partition}"
        self._first = first
        (directory / self._folder).mkdir(parents=True, exist_ok=True)
        self._path = directory / self._folder / f"{first:020}.part"
        self._file = self._path.open("wb")
        self._writer = Writer(self._file, _SCHEMA, codec="deflate", sync_interval=_BLOCK_BYTES)
        self._bytes = 0
        self.records = 0

    @property
    def full(self) -> bool:
        return self.records >= MOST_RECORDS or self._bytes >= MOST_BYTES

    def add(self, record: StoredRecord) -> None:
        headers = [{"name": name, "value": value} for name, value in record.headers]
        self._writer.write(
            {
                "offset": record.offset,
                "timestamp": record.timestamp,
                "key": record.key,
                "value": record.value,
                "headers": headers,
            }
        )
        self.records += 1
        self._bytes += (
            len(record.value or b"") + len(record.key or b"") + sum(len(value or b"") for _, value in record.headers)
        )

    def close(self, end: int) -> Segment:
        """`end`: the segment stands for all offsets before it."""
        self._writer.flush()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        name = f"{self._folder}/{self._first:020}-{end - 1:020}.avro"
        self._path.replace(self._directory / name)
        sync_directory(self._path.parent)
        sync_directory(self._path.parent.parent)
        size, sha256 = digest(self._directory / name)
        return Segment(name, self._first, end, self.records, size, sha256)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


def read_segment(directory: Path, partition: int, segment: Segment) -> Iterator[StoredRecord]:
    """BackupInvalid if the file is not what the manifest says of it; known for sure only at its end."""
    records, offset = 0, segment.first - 1
    for found in _content(directory / segment.file):
        if not offset < found["offset"] < segment.end:
            raise BackupInvalid(f"{segment.file}: offset {found['offset']} is out of place.")
        offset = found["offset"]
        records += 1
        headers = tuple((one["name"], one["value"]) for one in found["headers"])
        yield StoredRecord(partition, offset, found["key"], found["value"], headers, found["timestamp"])
    if records != segment.records:
        raise BackupInvalid(f"{segment.file}: it holds {records} records, the manifest says {segment.records}.")


def digest(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), sha256


def _content(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            records: Iterator[Any] = reader(file, reader_schema=_SCHEMA)
            yield from records
    except (ValueError, EOFError, KeyError, IndexError, OSError, zlib.error) as error:
        raise BackupInvalid(f"{path.name} can't be read: {error}") from error
