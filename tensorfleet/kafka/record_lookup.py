"""Fetches single records of one topic by their offsets, within a time: for checks of one stream."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from tensorfleet.domain.errors import LogLost, LogUnavailable
from tensorfleet.kafka import configuration
from tensorfleet.kafka.records import Record, from_message

_WORTH_A_JUMP: Final = 500
"""Records. To read over fewer costs less than a new request."""
_BURST: Final = 500


@dataclass(frozen=True, slots=True)
class FoundRecords:
    """`values` by offset. An offset below `looked_until` that is not among them is not in the log."""

    values: Mapping[int, bytes | None]
    looked_until: int


class RecordLookup:
    """For any thread: each call has a client of its own."""

    def __init__(self, kafka: Mapping[str, str], topic: str, client_id: str) -> None:
        self._config = configuration.reader(kafka, client_id)
        self._topic = topic

    def find(self, partition: int, offsets: Sequence[int], seconds: float) -> FoundRecords:
        """Look for ascending `offsets` until `seconds` are over. LogUnavailable if Kafka said nothing at all by then.

        It ends at the first record that is not there.
        """
        if not offsets:
            return FoundRecords({}, 0)
        consumer = Consumer(self._config)
        try:
            return _Search(consumer, self._topic, partition, offsets).run(time.monotonic() + seconds)
        finally:
            consumer.close()


class _Search:
    def __init__(self, consumer: Consumer, topic: str, partition: int, offsets: Sequence[int]) -> None:
        self._consumer = consumer
        self._topic = topic
        self._partition = partition
        self._wanted = list(offsets)
        self._next = 0
        self._values: dict[int, bytes | None] = {}
        self._heard = False

    def run(self, deadline: float) -> FoundRecords:
        self._jump()
        while self._next < len(self._wanted) and time.monotonic() < deadline:
            messages = self._consumer.consume(_BURST, timeout=0.2)
            if not all(map(self._take, messages)):
                return FoundRecords(self._values, self._wanted[self._next] + 1)
        if not self._heard:
            raise LogUnavailable(f"Kafka has sent nothing of {self._topic}[{self._partition}].")
        over = self._next == len(self._wanted)
        return FoundRecords(self._values, self._wanted[-1] + 1 if over else self._wanted[self._next])

    def _take(self, message: Any) -> bool:
        """False if the next record that is wanted is not in the log."""
        try:
            found = from_message(message)
        except LogLost:
            self._heard = True
            return False
        if found is None or self._next == len(self._wanted):
            return True
        self._heard = True
        wanted = self._wanted[self._next]
        if not isinstance(found, Record):
            return found.offset > wanted  # else the log ends before it
        if found.offset != wanted:
            return found.offset < wanted
        self._values[wanted] = found.value
        self._next += 1
        if self._next < len(self._wanted) and self._wanted[self._next] - wanted > _WORTH_A_JUMP:
            self._jump()
        return True

    def _jump(self) -> None:
        self._consumer.assign([TopicPartition(self._topic, self._partition, self._wanted[self._next])])
