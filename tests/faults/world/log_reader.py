"""Reads topics past the services: whole ones at the end, and the log as it grows."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator

from confluent_kafka import Consumer, TopicPartition

from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import OwnershipClaimed, Position
from tensorfleet.kafka import configuration
from tensorfleet.kafka.records import EndOfPartition, Record, from_message


def read_topic(bootstrap: str, topic: str, partitions: int) -> Iterator[Record]:
    """Every committed record, partition by partition as they come, until each partition's end."""
    consumer = Consumer(configuration.reader({"bootstrap.servers": bootstrap}, "fault-observer"))
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    unfinished = set(range(partitions))
    try:
        while unfinished:
            for message in consumer.consume(1000, timeout=0.2):
                one = from_message(message)
                if isinstance(one, Record):
                    yield one
                elif isinstance(one, EndOfPartition):
                    unfinished.discard(one.partition)
    finally:
        consumer.close()


class LogWatch:
    """Follows the log while it grows: the hash of the value at each position, and who owns which partition.

    `claims` counts those that counted: of two with one epoch the first.
    """

    def __init__(self, bootstrap: str, topic: str, partitions: int, codec: Codec) -> None:
        self.sightings: dict[Position, bytes] = {}
        self.owners: dict[int, str] = {}
        self.claims: Counter[int] = Counter()
        self._bootstrap, self._topic, self._partitions, self._codec = bootstrap, topic, partitions, codec
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="log watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        consumer = Consumer(configuration.reader({"bootstrap.servers": self._bootstrap}, "fault-watch"))
        consumer.assign([TopicPartition(self._topic, number, 0) for number in range(self._partitions)])
        try:
            while not self._stopping.is_set():
                for message in consumer.consume(500, timeout=0.2):
                    one = from_message(message)
                    if isinstance(one, Record):
                        self._see(one)
        except BaseException as error:
            self._failure = error
        finally:
            consumer.close()

    def _see(self, record: Record) -> None:
        value = record.value or b""
        self.sightings[Position(record.partition, record.offset)] = hashlib.sha256(value).digest()
        if record.key != b"ownership":
            return
        try:
            envelope = self._codec.decode(value)
        except Undecodable:
            return
        if isinstance(envelope.event, OwnershipClaimed) and envelope.epoch == self.claims[record.partition] + 1:
            self.owners[record.partition] = envelope.event.url
            self.claims[record.partition] += 1
