"""What the servers held when the load had ended, as bytes; and what the log showed to a reader along the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tensorfleet.events.envelope import Position

Documents = Mapping[str, Mapping[object, bytes]]
"""BSON documents by collection and `_id`."""


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record of the log or of the downloads topic."""

    position: Position
    value: bytes | None


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """A record of the public feed, with the place in the log and the sequence that its headers name."""

    log_position: Position
    sequence: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket: the SHA-256 that its bytes really have, and how long it has been there."""

    key: str
    checksum: str
    size_bytes: int
    age_seconds: float


@dataclass(frozen=True, slots=True)
class Observations:
    """`log` and `downloads` are in order within each partition. `sightings` are hashes of log values, seen live.

    `replay` gives the documents of an empty database into which the same topics were projected.
    """

    log: tuple[LogRecord, ...]
    downloads: tuple[LogRecord, ...]
    feed: tuple[FeedRecord, ...]
    states: Mapping[str, bytes | None]
    documents: Documents
    objects: tuple[StoredObject, ...]
    replay: Callable[[], Documents]
    sightings: Mapping[Position, bytes] = field(default_factory=dict)
    grace_seconds: float = 3600.0
