"""The public feed: exactly the accepted events, each once, in order, and the latest state of each model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from services.publisher.progress import first_unpublished
from services.publisher.publishers import Publishers
from tensorfleet.domain import events as e
from tensorfleet.domain.commands import DeleteModel
from tensorfleet.domain.errors import LogLost, LogUnavailable
from tensorfleet.domain.names import model_id_of
from tensorfleet.events.fold import LogFold
from tensorfleet.events.headers import LOG_POSITION, SEQUENCE
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.log_snapshots import LogSnapshots
from tensorfleet.kafka.records import Record
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.transactions import TransactionalProducer
from tensorfleet.process import Lifeline
from tests.builders import CODEC, MODEL_ID, Stream, envelope, lifecycle, registration
from tests.integration.kafka_world import KafkaWorld
from tests.servers import Servers


class MemorySnapshots:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def load(self, name: str) -> bytes | None:
        return self.kept.get(name)

    async def save(self, name: str, content: bytes) -> None:
        self.kept[name] = content


class PublisherWorld(KafkaWorld):
    """One partition, and publishers that run one after the other."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(bootstrap)
        self.log = TopicReader(self.kafka, self.topics.log, "test")
        self.feed = TopicReader(self.kafka, self.topics.feed, "test")
        self.snapshots = LogSnapshots(self.log, self.identity, MemorySnapshots())

    def publish(self, until: Callable[[Publishers], bool]) -> str | None:
        """A publisher's life: licensed, and stopped when `until` says so; what its readiness said at the end."""

        async def life() -> str | None:
            lifeline = Lifeline()
            publishers = Publishers(self.kafka, self.topics, CODEC, self.snapshots, Metrics(), lifeline)
            publishers.on_licence(0, True)
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(until, publishers):
                    await asyncio.sleep(0.05)
            said = await publishers.check()
            await publishers.stop()
            await lifeline.close()
            return said

        return asyncio.run(life())

    def publish_until_feed_holds(self, wanted: int) -> list[Record]:
        self.publish(lambda _: len(self.read(self.topics.feed, wanted, seconds=1)) >= wanted)
        return self.read(self.topics.feed, wanted + 1, seconds=1)

    def rival(self) -> TransactionalProducer:
        """Another holder of the partition's transactional id."""
        client_id = f"{self.topics.registry}.publisher"
        rival = TransactionalProducer(self.kafka, client_id, f"{client_id}.0")
        rival.open()
        return rival

    def progress(self) -> int:
        """Once the brokers know of the new topics."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return first_unpublished(self.feed, self.log, 0)
            except LogUnavailable:
                if time.monotonic() > deadline:
                    raise


@pytest.fixture
def world(stack: Servers) -> PublisherWorld:
    return PublisherWorld(stack.kafka_bootstrap)


def test_the_feed_is_the_accepted_events_each_once_over_restarts(world: PublisherWorld) -> None:
    stream = lifecycle(["one", "two"])
    events = len(stream.values) - 1
    stream.raw(b"x", b"garbage")
    stream.raw(MODEL_ID.encode(), CODEC.encode(envelope(e.ModelDeleted(), epoch=7)))
    world.append(world.topics.log, stream.values)
    assert len(world.publish_until_feed_holds(events)) == events
    more = len(stream.values)
    stream.add(registration("three"), "three")
    stream.add(DeleteModel(), "two")
    world.append(world.topics.log, stream.values[more:])
    feed = world.publish_until_feed_holds(events + 2)
    assert [one.value for one in feed] == [
        value for _, value in (*stream.values[1 : events + 1], *stream.values[more:])
    ]
    positions = [dict(one.headers)[LOG_POSITION] for one in feed]
    assert positions[:2] == [b"0:1", b"0:2"]
    assert dict(feed[0].headers)[SEQUENCE] == b"1"
    states = {one.key: one.value for one in world.read(world.topics.state, 10_000, seconds=2)}
    assert states[model_id_of("two").encode()] is None
    assert states[model_id_of("three").encode()] is not None


def test_a_publisher_that_was_followed_by_another_can_add_nothing(world: PublisherWorld) -> None:
    stream = lifecycle(["one"])
    world.append(world.topics.log, stream.values)
    frozen = world.rival()
    with pytest.raises(LogUnavailable), frozen.transaction():
        for number in range(200):
            frozen.produce(world.topics.feed, 0, b"k", b"void", [(LOG_POSITION, f"0:{number}".encode())])
        feed = world.publish_until_feed_holds(len(stream.values) - 1)
    assert [one.value for one in feed] == [value for _, value in stream.values[1:]]
    assert world.progress() == len(stream.values)


def test_progress_is_found_behind_what_was_aborted(world: PublisherWorld) -> None:
    assert world.progress() == 0
    world.append(world.topics.log, lifecycle(["one"]).values)
    writer = world.rival()
    with writer.transaction():
        writer.produce(world.topics.feed, 0, b"k", b"v", [(LOG_POSITION, b"0:2")])
    with pytest.raises(LogUnavailable), writer.transaction():
        for _ in range(100):
            writer.produce(world.topics.feed, 0, b"k", b"void", [(LOG_POSITION, b"0:4")])
        raise LogUnavailable("the process dies before it commits")
    world.rival()
    assert world.progress() == 3


def test_a_feed_that_is_ahead_of_the_log_halts_the_publisher(world: PublisherWorld) -> None:
    world.append(world.topics.log, lifecycle(["one"]).values)
    writer = world.rival()
    with writer.transaction():
        writer.produce(world.topics.feed, 0, b"k", b"v", [(LOG_POSITION, b"0:99")])
    with pytest.raises(LogLost, match="holds its events up to 100"):
        world.progress()
    said = world.publish(lambda publishers: publishers.halt.reason is not None)
    assert "restore the log" in (said or "")


def test_a_session_begins_at_the_snapshot_but_never_past_what_is_published(world: PublisherWorld) -> None:
    stream = Stream()
    for name in ("one", "two", "three"):
        stream.add(registration(name), name)
    world.append(world.topics.log, stream.values)
    fold = LogFold(CODEC)
    for offset, (key, value) in enumerate(stream.values):
        fold.apply(offset, key, value)
    assert asyncio.run(world.snapshots.save(0, fold.state(), []))
    # The snapshot is of the log's end and nothing is published yet: with it, all three would be skipped.
    assert len(world.publish_until_feed_holds(3)) == 3
    stream.add(DeleteModel(), "two")
    world.append(world.topics.log, stream.values[4:])
    # Without the snapshot, the next session would need what is now gone.
    admin, gone = AdminClient(world.admin), TopicPartition(world.topics.log, 0, 2)
    admin.delete_records([gone])[gone].result(10)
    assert world.publish_until_feed_holds(4)[3].value == stream.values[4][1]
