"""A record as it stands in a topic, with everything Kafka keeps of it, wherever it was read from."""

from __future__ import annotations

from dataclasses import dataclass

from tensorfleet.events.envelope import Position

StoredHeaders = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """`timestamp` is in milliseconds since 1970; None if Kafka or the file that it comes from has none."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: StoredHeaders = ()
    timestamp: int | None = None

    @property
    def position(self) -> Position:
        return Position(self.partition, self.offset)


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The offsets from `first` on, up to but without `end`, of one partition."""

    partition: int
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first
