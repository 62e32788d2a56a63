"""A log that is not what it was is noticed; then nothing is written, and readiness says what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bson import BSON
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)
from pymongo import MongoClient

from tensorfleet.domain.errors import LogLost
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.log_watch import LogWatch
from tensorfleet.kafka.topics import LogIdentity
from tests.integration.kafka_world import KafkaWorld
from tests.processes import RegistryProcesses
from tests.servers import Servers

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def registry(stack: Servers, tmp_path: Path) -> Iterator[RegistryProcesses]:
    processes = RegistryProcesses(stack, tmp_path)
    try:
        processes.start()
        with httpx.Client(base_url=processes.url, timeout=30) as http:
            for number in range(20):
                assert http.post("/api/v1/models", json={"name": f"n{number}", "algorithm": "svm"}).status_code == 201
        yield processes
    finally:
        processes.stop_all()


def topics(registry: RegistryProcesses) -> Topics:
    return Topics(registry.registry_id)


def done(futures: dict[Any, Any]) -> None:
    for future in futures.values():
        future.result(20)


def delete(registry: RegistryProcesses, admin: AdminClient) -> None:
    done(admin.delete_topics([topics(registry).log]))


def recreate(registry: RegistryProcesses, admin: AdminClient) -> None:
    delete(registry, admin)
    while topics(registry).log in admin.list_topics(timeout=10).topics:
        pass
    done(admin.create_topics([NewTopic(topics(registry).log, 6, 1, config={"retention.ms": "-1"})]))


def truncate(registry: RegistryProcesses, admin: AdminClient) -> None:
    done(admin.delete_records([TopicPartition(topics(registry).log, number, 1) for number in range(6)]))


def forget_after_a_day(registry: RegistryProcesses, admin: AdminClient) -> None:
    entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topics(registry).downloads, incremental_configs=[entry])
    done(admin.incremental_alter_configs([resource]))


def add_partitions(registry: RegistryProcesses, admin: AdminClient) -> None:
    done(admin.create_partitions([NewPartitions(topics(registry).log, 8)]))


def content(stack: Servers, registry: RegistryProcesses) -> dict[str, list[bytes]]:
    with MongoClient[dict[str, Any]](stack.mongodb_url) as client:
        database = client[registry.registry_id]
        names = sorted(database.list_collection_names())
        return {name: [BSON.encode(one) for one in database[name].find().sort("_id", 1)] for name in names}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (delete, ""),
        (recreate, ""),
        (truncate, "its first records were deleted"),
        (forget_after_a_day, "retention.ms is 86400000, must be -1"),
        (add_partitions, "partitions"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_log_that_changes_under_the_registry_stops_all_writing(
    stack: Servers, registry: RegistryProcesses, change: Callable[[RegistryProcesses, AdminClient], None], text: str
) -> None:
    before = content(stack, registry)
    change(registry, AdminClient({"bootstrap.servers": registry.kafka_bootstrap}))

    for name, check in (("gateway", "model_registry"), ("projector", "projection")):
        issues: dict[str, str] = {}

        def red(name: str = name, check: str = check, issues: dict[str, str] = issues) -> bool:
            issues |= httpx.get(f"{registry.url_of(name)}/health/ready", timeout=10, verify=False).json()["issues"]
            return any(word in issues.get(check, "") for word in ("restore the log", "must"))

        registry.wait_until(red, name)
        assert text in issues[check]
    with httpx.Client(base_url=registry.url, timeout=30) as http:
        refused = http.post("/api/v1/models", json={"name": "late", "algorithm": "svm"})
        assert (refused.status_code, refused.json()["code"]) == (503, "log-halted")
        assert "Retry-After" in refused.headers
        assert http.get("/api/v1/models").json()["pagination"]["total"] == 20
    assert content(stack, registry) == before


def test_a_swapped_log_takes_no_commands_when_the_registry_starts(stack: Servers, registry: RegistryProcesses) -> None:
    admin = AdminClient({"bootstrap.servers": registry.kafka_bootstrap})
    for name in ("publisher", "projector", "gateway"):
        registry.stop(name)
    before = content(stack, registry)
    delete(registry, admin)
    while topics(registry).log in admin.list_topics(timeout=10).topics:
        pass
    registry.start_without_waiting("gateway")
    assert registry.wait_end("gateway") == 1
    assert "were built from another" in registry.log("gateway")
    assert content(stack, registry) == before


def test_another_cluster_behind_the_same_address_is_noticed(stack: Servers) -> None:
    world = KafkaWorld(stack.kafka_bootstrap)
    elsewhere = LogIdentity("another", world.identity.topic_ids)
    look(LogWatch(world.admin, world.topics.specs, [world.topics.log], world.identity))
    with pytest.raises(LogLost, match="Another Kafka"):
        look(LogWatch(world.admin, world.topics.specs, [world.topics.log], elsewhere))


def look(watch: LogWatch) -> None:
    """Once, as soon as the broker knows the leaders of topics that were made a moment ago."""
    for _ in range(200):
        try:
            watch.check()
        except KafkaException:
            continue
        return
    raise AssertionError("Kafka does not answer")
