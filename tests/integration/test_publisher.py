"""The public feed: exactly the accepted events, each once, in order, and the latest state of each model."""

from __future__ import annotations

import threading
import uuid

from services.publisher.session import Publisher
from tensorfleet.domain import events as e
from tensorfleet.domain.commands import DeleteModel
from tensorfleet.domain.names import model_id_of
from tensorfleet.events.headers import LOG_POSITION, SEQUENCE
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tests.builders import CODEC, MODEL_ID, envelope, lifecycle, registration
from tests.integration.kafka_world import KafkaWorld
from tests.servers import Servers


def publish(world: KafkaWorld, wanted: int) -> int:
    """Run one session until the feed holds `wanted` records; returns how many a plain consumer then sees."""
    stopping = threading.Event()
    session = Publisher(
        configuration.member(world.kafka, "test", world.topics.group("publisher")),
        configuration.transactional_producer(world.kafka, "test", str(uuid.uuid4())),
        world.topics,
        CODEC,
        Metrics(),
        stopping.is_set,
    )
    thread = threading.Thread(target=session.run)
    thread.start()
    try:
        return len(world.read(world.topics.feed, wanted))
    finally:
        stopping.set()
        thread.join()


def test_the_feed_is_the_accepted_events_each_once_over_restarts(stack: Servers) -> None:
    world, stream = KafkaWorld(stack.kafka_bootstrap), lifecycle(["one", "two"])
    events = len(stream.values) - 1
    stream.raw(b"x", b"garbage")
    stream.raw(MODEL_ID.encode(), CODEC.encode(envelope(e.ModelDeleted(), epoch=7)))
    world.append(world.topics.log, stream.values)
    assert publish(world, events) == events
    more = len(stream.values)
    stream.add(registration("three"), "three")
    stream.add(DeleteModel(), "two")
    world.append(world.topics.log, stream.values[more:])
    assert publish(world, events + 2) == events + 2
    feed = world.read(world.topics.feed, events + 3, seconds=2)
    assert [one.value for one in feed] == [
        value for _, value in (*stream.values[1 : events + 1], *stream.values[more:])
    ]
    positions = [dict(one.headers)[LOG_POSITION] for one in feed]
    assert positions[:2] == [b"0:1", b"0:2"]
    assert dict(feed[0].headers)[SEQUENCE] == b"1"
    states = {one.key: one.value for one in world.read(world.topics.state, 10_000, seconds=2)}
    assert states[model_id_of("two").encode()] is None
    assert states[model_id_of("three").encode()] is not None
