"""From a record in the log that nobody can decode until a consumer of the dead-letter topic has it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from benchmarks.registry import Registry
from benchmarks.table import Row, milliseconds, percentile
from devstack.stack import NativeStack
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration

LETTERS, GOAL_SECONDS, MOST_SECONDS = 200, 1.0, 30.0


def measure(stack: NativeStack) -> Iterator[Row]:
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    with Registry(stack, "dead-letter", ["gateway", "projector"]) as registry:
        topics = Topics(registry.id)
        producer = Producer(configuration.producer(kafka, "bench"))
        consumer = Consumer(configuration.reader(kafka, "bench"))
        consumer.assign([TopicPartition(topics.dead_letters, number, 0) for number in range(topics.partitions)])
        try:
            took = [_seconds(producer, consumer, topics) for _ in range(LETTERS)]
        finally:
            consumer.close()
    longest = max(took)
    yield Row(
        f"undecodable record -> dead letter, {LETTERS} times, p50 / p99",
        milliseconds(took),
        f"longest {longest * 1000:.1f} ms",
        f"p99 <= {GOAL_SECONDS:g} s",
        percentile(took, 0.99) <= GOAL_SECONDS,
    )


def _seconds(producer: Producer, consumer: Consumer, topics: Topics) -> float:
    """Each letter is of a model of its own: what follows in a parked one is a dead letter too."""
    model_id = model_id_of(f"poisoned {uuid.uuid4()}")
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    producer.produce(
        topics.log, b"garbage", model_id, partition=partition_of(model_id, topics.partitions), on_delivery=delivered
    )
    left = producer.flush(MOST_SECONDS)
    assert not left and not failed, f"Kafka did not take the record: {failed}"
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < MOST_SECONDS:
        message = consumer.poll(MOST_SECONDS - waited)
        if message is not None and message.error() is None and message.key() == model_id.encode():
            return time.perf_counter() - began
    raise TimeoutError(f"no dead letter after {waited:.0f} s")
