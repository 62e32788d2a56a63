"""Topics of their own on the real Kafka: fill a log, read a topic, wait for checkpoints."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.records import Record, from_message
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topics import LogIdentity, prepare_topics


def known_producer(kafka: dict[str, str]) -> Producer:
    """One whose first record goes at once: half a second after its making, or one, would a producer that has asked for
    nothing look for a broker to be given the id that makes it idempotent."""
    producer = Producer(configuration.filling_producer(kafka, "test") | {"linger.ms": 0})
    producer.list_topics(timeout=20)
    return producer


def delivered(error: KafkaError | None, _: Message) -> None:
    """To be given with each record: a flush alone does not tell that one was refused."""
    assert error is None, error.str()


class KafkaWorld:
    """One registry's topics, with few partitions."""

    def __init__(self, bootstrap: str, partitions: int = 1) -> None:
        self.kafka = {"bootstrap.servers": bootstrap}
        self.topics = Topics(f"test-{uuid.uuid4().hex[:12]}", partitions)
        self.admin = configuration.admin(self.kafka, "test")
        self.identity: LogIdentity = prepare_topics(self.admin, self.topics.specs, 1)

    def append(self, topic: str, values: Iterable[tuple[bytes, bytes]], partition: int = 0) -> None:
        producer = known_producer(self.kafka)
        for key, value in values:
            producer.produce(topic, value, key, partition=partition, on_delivery=delivered)
        assert producer.flush(20) == 0

    def ends(self) -> dict[str, int]:
        """How far checkpoints have to come to contain all there is, by their ids."""
        names = {"log": self.topics.log, "downloads": self.topics.downloads}
        return {
            f"{short}:{one.partition}": one.end
            for short, name in names.items()
            for one in TopicReader(self.kafka, name, "test").ranges()
        }

    def read(self, topic: str, wanted: int, seconds: float = 30) -> list[Record]:
        """The first records of the topic, as a plain consumer of committed records sees them."""
        consumer = Consumer(configuration.reader(self.kafka, "test"))
        consumer.assign([TopicPartition(topic, number, 0) for number in range(self.topics.partitions)])
        found: list[Record] = []
        deadline = time.monotonic() + seconds
        try:
            while len(found) < wanted and time.monotonic() < deadline:
                message = consumer.poll(0.1)
                one: Any = None if message is None else from_message(message)
                if isinstance(one, Record):
                    found.append(one)
        finally:
            consumer.close()
        return found
