"""One event of the feed, decoded and as JSON, and which events a reader wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain.errors import FeedUnavailable
from tensorfleet.domain.events import Event
from tensorfleet.domain.names import partition_of
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope
from tensorfleet.events.headers import LOG_POSITION
from tensorfleet.http.times import time_text
from tensorfleet.kafka.records import Record

EVENT_TYPES: Final = tuple(one.__name__ for one in get_args(Event))


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """`partition` and `offset` are its place in the feed; `log_position` is the one that the command's answer named."""

    partition: int
    offset: int
    log_position: str
    envelope: Envelope

    @property
    def occurred_at(self) -> int:
        return self.envelope.occurred_at

    def members(self) -> dict[str, Any]:
        """`data` is the event itself: a dataclass, whose fields orjson writes as they are."""
        envelope = self.envelope
        return {
            "id": envelope.event_id,
            "type": envelope.event_type,
            "model_id": envelope.model_id,
            "model_name": envelope.model_name,
            "sequence": envelope.sequence,
            "occurred_at": time_text(envelope.occurred_at),
            "actor": envelope.actor,
            "position": self.log_position,
            "data": envelope.event,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """`types`, `model_id` and `names`: None for all."""

    types: frozenset[str] | None
    model_id: str | None
    names: NamePrefix | None = None

    def takes(self, event_type: str, model_id: str, model_name: str) -> bool:
        return (
            (self.types is None or event_type in self.types)
            and self.model_id in (None, model_id)
            and (self.names is None or self.names.covers(model_name))
        )

    def partitions(self, number: int) -> range:
        """The partitions, of `number`, that can hold wanted events."""
        if self.model_id is None:
            return range(number)
        only = partition_of(self.model_id, number)
        return range(only, only + 1)


def feed_event(codec: Codec, record: Record) -> FeedEvent:
    """FeedUnavailable for what another release of the registry may be able to read."""
    try:
        envelope = codec.decode(record.value or b"")
    except Undecodable as error:
        raise FeedUnavailable(
            f"{record.topic}[{record.partition}] has a record at offset {record.offset} that can't be read: {error}."
        ) from error
    position = dict(record.headers).get(LOG_POSITION, b"")
    return FeedEvent(record.partition, record.offset, position.decode(), envelope)
