"""Replaying a mixed log into an empty database with the real projector, beside only reading and decoding it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from pymongo import MongoClient

from benchmarks.mixed_log import MixedLog
from benchmarks.table import Row, median
from devstack.stack import NativeStack
from services.projector.consumer import Projector
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import LogIdentity, prepare_topics
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Writes
from tensorfleet.projection.pipeline import MOST_IN_BATCH

ROUNDS, EVENTS, GOAL, MOST_SECONDS = 3, 200_000, 40_000, 120.0


class CountingStore(ProjectionStore):
    """Counts the records committed. Its clock starts when the projector first asks where to begin."""

    def __init__(self, client: MongoClient[dict[str, Any]], database: str) -> None:
        super().__init__(client, database)
        self.records = 0
        self.batches = 0
        self.began: float | None = None
        self.ended = 0.0

    def checkpoint(self, initial: Checkpoint) -> Checkpoint:
        self.began = self.began or time.perf_counter()
        return super().checkpoint(initial)

    def commit(self, writes: Writes) -> None:
        super().commit(writes)
        self.ended = time.perf_counter()
        self.batches += 1
        self.records += sum(after.next_offset - before.next_offset for before, after in writes.checkpoints)


def measure(stack: NativeStack) -> Iterator[Row]:
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    topics, codec = Topics("bench-replay"), Codec(Catalogue())
    identity = prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
    records = MixedLog(kafka, topics, codec).write(EVENTS)
    decoded, replayed, batches = [], [], 0
    for number in range(ROUNDS):
        decoded.append(records / _decode(kafka, topics, codec, records))
        seconds, batches = replay(stack, topics, identity, codec, records, f"bench_replay_{number}")
        replayed.append(records / seconds)
    rate, alone = median(replayed), median(decoded)
    yield Row(
        f"replay of {EVENTS:,} mixed events into an empty database",
        f"{rate:,.0f}/s ({rate / alone:.0%}, {batches} batches)",
        f"only reading and decoding {alone:,.0f}/s",
        f">= {GOAL:,}/s",
        rate >= GOAL,
    )


def _decode(kafka: dict[str, str], topics: Topics, codec: Codec, records: int) -> float:
    consumer = Consumer({**configuration.reader(kafka, "bench"), "enable.partition.eof": False})
    assigned = [TopicPartition(topic, n, 0) for topic in (topics.log, topics.downloads) for n in range(6)]
    consumer.assign(assigned)
    began, seen = time.perf_counter(), 0
    following: Counter[tuple[str, int]] = Counter()
    while seen < records and time.perf_counter() - began < MOST_SECONDS:
        for message in consumer.consume(MOST_IN_BATCH, timeout=0.1):
            codec.decode(message.value())
            place = message.topic(), message.partition()
            assert message.offset() == following[place], f"{place}: {message.offset()} after {following[place] - 1}"
            following[place] += 1
            seen += 1
    took = time.perf_counter() - began
    consumer.close()
    assert seen == records, f"only {seen} of {records} records were read"
    return took


def replay(
    stack: NativeStack, topics: Topics, identity: LogIdentity, codec: Codec, records: int, database: str
) -> tuple[float, int]:
    """How long it took from the first question to MongoDB until its last commit, and in how many batches."""
    client: MongoClient[dict[str, Any]] = MongoClient(stack.mongodb_url, maxPoolSize=4)
    with client:
        store = CountingStore(client, database)
        store.prepare()
        deadline = time.perf_counter() + MOST_SECONDS

        def done(seconds: float) -> bool:
            time.sleep(seconds)
            return store.records >= records or time.perf_counter() > deadline

        def no_dead_letters(letters: list[Any]) -> None:
            raise AssertionError(f"{letters[0].reason}: {letters[0].detail}")

        kafka = {"bootstrap.servers": stack.kafka_bootstrap}
        member = configuration.member(kafka, "bench", topics.group(database))
        projector = Projector(member, topics, identity, store, codec, Metrics(), no_dead_letters, done)
        projector.run()
        took = store.ended - (store.began or 0.0)
        accepted = client[database]["history"].estimated_document_count()
        client.drop_database(database)
    assert store.records == records and store.began is not None, f"{store.records} of {records} records replayed"
    assert accepted > records // 5, f"the guard accepted only {accepted} events"
    return took, store.batches
