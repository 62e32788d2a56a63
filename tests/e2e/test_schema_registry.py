"""The topics are read by the client of another, unchanged: it takes the registry for a Confluent Schema Registry."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tensorfleet.domain.names import partition_of
from tensorfleet.events.topics import Topics
from tests.processes import RegistryProcesses


@pytest.fixture(scope="module")
def written(registry_processes: RegistryProcesses) -> str:
    """A model with three events, which are in the feed and in the state topic."""
    with httpx.Client(base_url=registry_processes.url, timeout=30) as http:
        body = {"name": f"n {uuid.uuid4()}", "algorithm": "svm", "metrics": {"accuracy": 0.5}, "tags": ["a", "б"]}
        model_id = str(http.post("/api/v1/models", json=body).json()["model_id"])
        http.post(f"/api/v1/models/{model_id}/versions", json={"hyperparameters": {"a": [1]}})
        http.post(f"/api/v1/models/{model_id}/archive")
        deadline = time.monotonic() + 20
        while len(http.get("/api/v1/events", params={"model_id": model_id}).json()["events"]) < 3:
            assert time.monotonic() < deadline, "the publisher does not get on"
    return model_id


def values(registry_processes: RegistryProcesses, topic: str, model_id: str) -> Iterator[bytes]:
    """Those of a model, as a plain consumer of committed records gets them."""
    consumer = Consumer(
        {
            "bootstrap.servers": registry_processes.kafka_bootstrap,
            "group.id": str(uuid.uuid4()),
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition_of(model_id, 6), 0)])
    try:
        while (message := consumer.poll(20)) is not None and message.error() is None:
            if message.key() == model_id.encode():
                yield message.value()
    finally:
        consumer.close()


def test_confluents_own_deserializer_reads_feed_and_state(registry_processes: RegistryProcesses, written: str) -> None:
    topics = Topics(registry_processes.registry_id)
    registry = SchemaRegistryClient({"url": registry_processes.url})
    deserialize = AvroDeserializer(registry)

    def read(topic: str) -> list[Any]:
        context = SerializationContext(topic, MessageField.VALUE)
        return [deserialize(one, context) for one in values(registry_processes, topic, written)]

    events = read(topics.feed)
    assert [(one["event_type"], one["sequence"]) for one in events] == [
        ("ModelRegistered", 1),
        ("ModelVersioned", 2),
        ("ModelArchived", 3),
    ]
    assert events[0]["model_registered"]["tags"] == ["a", "б"]
    assert events[1]["model_versioned"]["hyperparameters"] == '{"a":[1]}'
    latest = read(topics.state)[-1]
    assert (latest["sequence"], latest["status"], latest["versions"]) == (3, "archived", ["v1.0", "v1.1"])
    for topic in (topics.log, topics.feed, topics.state, topics.downloads):
        assert registry.get_latest_version(f"{topic}-value").schema.schema_type == "AVRO"
    assert registry.get_compatibility() == "FULL_TRANSITIVE"
