"""Topics are made with the settings that keep the log for ever, and anything else stops the start."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from tensorfleet.domain.errors import TopicMismatch
from tensorfleet.kafka import topics
from tensorfleet.kafka.topics import prepare_topics
from tests.integration.kafka_world import KafkaWorld
from tests.servers import Servers


def refusal(world: KafkaWorld) -> str:
    """Why the start is refused, once the broker serves the change that it has confirmed."""
    for _ in range(500):
        try:
            prepare_topics(world.admin, world.topics.specs, 1)
        except TopicMismatch as error:
            return error.detail
    raise AssertionError("the start was never refused")


def test_preparing_twice_changes_nothing(stack: Servers) -> None:
    world = KafkaWorld(stack.kafka_bootstrap)
    assert prepare_topics(world.admin, world.topics.specs, 1) == world.identity


def test_a_broker_that_never_answers_is_asked_again(stack: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    world, silent = KafkaWorld(stack.kafka_bootstrap), [True]

    class OnceSilent(AdminClient):
        def describe_topics(self, *arguments: Any, **options: Any) -> Any:
            return (
                {"any": Future[None]()} if silent and silent.pop() else super().describe_topics(*arguments, **options)
            )

    monkeypatch.setattr(topics, "AdminClient", OnceSilent)
    monkeypatch.setattr(topics, "_TIMEOUT_SECONDS", 1.0)
    assert prepare_topics(world.admin, world.topics.specs, 1) == world.identity
    assert silent == []


def test_a_log_that_forgets_stops_the_start(stack: Servers) -> None:
    world = KafkaWorld(stack.kafka_bootstrap)
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, world.topics.log, incremental_configs=[entry])
    admin = AdminClient(world.admin)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
    assert "retention.ms is 1000, must be -1" in refusal(world)


def test_another_number_of_partitions_stops_the_start(stack: Servers) -> None:
    world = KafkaWorld(stack.kafka_bootstrap)
    admin = AdminClient(world.admin)
    for future in admin.create_partitions([NewPartitions(world.topics.log, 2)]).values():
        future.result(10)
    assert "has 2 partitions, must have 1" in refusal(world)
