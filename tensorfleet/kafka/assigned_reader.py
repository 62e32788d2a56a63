"""Follows partitions of several topics in the caller's own thread, in bursts as large as there are, without a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from tensorfleet.kafka import configuration
from tensorfleet.kafka.brokers import noticing
from tensorfleet.kafka.polling import drain, poll
from tensorfleet.kafka.records import Record, from_message

Place = tuple[str, int]
"""A topic and a partition."""


class AssignedReader:
    """`start` says from where, as often as that changes; each partition then comes in the order of its offsets."""

    def __init__(self, kafka: Mapping[str, str], client_id: str) -> None:
        self._consumer: Final = Consumer(
            noticing(
                {
                    **configuration.reader(kafka, client_id),
                    **configuration.PATIENT_FETCH,
                    "enable.partition.eof": False,
                }
            )
        )
        self._places: set[Place] = set()

    def start(self, offsets: Mapping[Place, int]) -> None:
        """Read these partitions, and no others, from these offsets on."""
        self._places = set(offsets)
        self._consumer.assign([TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()])

    def burst(self, most: int, wait_seconds: float, gather_seconds: float = 0) -> list[Record]:
        """What is there, after waiting for the first record, and for `gather_seconds` at most for all the others.

        LogLost if the log no longer has an offset.
        """
        first = poll(self._consumer, wait_seconds)
        if first is None:
            return []
        found = map(from_message, [first, *drain(self._consumer, most - 1, gather_seconds)])
        return [one for one in found if isinstance(one, Record) and (one.topic, one.partition) in self._places]

    def close(self) -> None:
        self._consumer.close()
