"""The envelope: an event with its metadata, as it stands in one Kafka record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tensorfleet.domain.events import Event, ModelDownloaded


@dataclass(frozen=True, slots=True)
class OwnershipClaimed:
    """A command API instance claims a partition under the envelope's epoch."""

    url: str
    instance_id: str


class Envelope(NamedTuple):
    """`sequence` counts from 1 in the model's stream. `occurred_at` is in microseconds since 1970, UTC.

    `command_hash` (32 bytes) is set only if the client named the command by an idempotency key.
    """

    epoch: int
    sequence: int
    model_id: str
    event_id: str
    command_id: str
    previous_hash: bytes
    model_name: str
    command_hash: bytes | None
    occurred_at: int
    actor: str
    event: Event | ModelDownloaded | OwnershipClaimed

    @property
    def event_type(self) -> str:
        return type(self.event).__name__


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record stands in its topic; written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """ValueError if `text` is not two plain decimal numbers with a colon between them."""
        partition, colon, offset = text.partition(":")
        plain = all(part.isascii() and part.isdigit() and len(part) < 19 for part in (partition, offset))
        if not colon or not plain:
            raise ValueError(f"{text!r} is not a position like 3:1024")
        return cls(int(partition), int(offset))
