"""A record as read from Kafka, with nothing of the vendor's left in it, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import KafkaError, Message

from tensorfleet.domain.errors import LogLost, LogUnavailable

_LOST = {
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.OFFSET_OUT_OF_RANGE,
}
"""A topic that is unknown is not among them: a broker that has just started says so too. LogWatch looks closer."""

_OVER = {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}
"""After these the client delivers nothing more; `fatal()` of an error that comes as a message does not say so."""


class Record(NamedTuple):
    """`value` is None for a tombstone. Most readers never look at the headers: they are decoded when asked for."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    read_headers: Callable[[], list[tuple[str, bytes]] | None]

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        return self.read_headers() or []


@dataclass(frozen=True, slots=True)
class EndOfPartition:
    """The reader has delivered everything before `offset`."""

    topic: str
    partition: int
    offset: int


def from_message(message: Message) -> Record | EndOfPartition | None:
    """None for a passing fault that the client mends by itself; LogLost if the log is not what it was."""
    error = message.error()
    if error is None:
        return Record(
            message.topic(), message.partition(), message.offset(), message.key(), message.value(), message.headers
        )
    if error.code() == KafkaError._PARTITION_EOF:
        return EndOfPartition(message.topic(), message.partition(), message.offset())
    if error.code() in _LOST:
        raise LogLost(
            f"{message.topic()}[{message.partition()}] no longer holds the next offset to read: {error.str()}. The "
            "topic was deleted, recreated or truncated. Nothing was changed; restore the log before starting again."
        )
    if error.fatal() or error.code() in _OVER:
        raise LogUnavailable(f"Kafka's client gave up: {error.str()}")
    return None
