"""A projector in its consumer group, on the real Kafka: what it does when it is told that it is a member no more."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Consumer
from pymongo import MongoClient

from tensorfleet.kafka import configuration
from tests.builders import lifecycle
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import projector_running, wait_for_checkpoints
from tests.servers import Servers


def test_a_projector_that_was_fenced_off_goes_on_as_a_new_member(stack: Servers) -> None:
    world, name = KafkaWorld(stack.kafka_bootstrap), "projector-1"
    values = lifecycle(["one", "two"]).values
    half = len(values) // 2
    with MongoClient[dict[str, Any]](stack.mongodb_url) as client:
        database = client[world.topics.registry]
        with projector_running(world.kafka, world.topics, stack.mongodb_url, instance=name):
            world.append(world.topics.log, values[:half])
            wait_for_checkpoints(database, {"log:0": half, "downloads:0": 0})
            take_its_name(world, name)
            world.append(world.topics.log, values[half:])
            wait_for_checkpoints(database, {"log:0": len(values), "downloads:0": 0})
        client.drop_database(database)


def take_its_name(world: KafkaWorld, name: str) -> None:
    """Another member joins under the same name, and goes without a word."""
    rival = Consumer(configuration.member(world.kafka, "test", world.topics.group("projector"), name))
    rival.subscribe([world.topics.log, world.topics.downloads])
    deadline = time.monotonic() + 30
    while not rival.assignment():
        assert time.monotonic() < deadline, "the rival was assigned nothing"
        rival.poll(0.1)
    rival.close()
