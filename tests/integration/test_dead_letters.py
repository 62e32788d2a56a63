"""Dead letters on real servers: what an operator sees of them, and what ends them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from bson import BSON
from confluent_kafka import Producer
from pymongo import MongoClient

from devstack.stack import NativeStack
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope
from tensorfleet.events.letters import letters
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.dead_letters import DeadLetterTopic
from tensorfleet.kafka.records import Record
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.projection_store import COLLECTIONS
from tensorfleet.projection.log_projection import DeadLetter
from tests.builders import Stream, registration
from tests.contract.test_wire import HOSTILE
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import projector_running, wait_for_checkpoints
from tests.processes import RegistryProcesses


@pytest.fixture
def http(own_processes: RegistryProcesses) -> Iterator[httpx.Client]:
    own_processes.start_missing()
    with httpx.Client(base_url=own_processes.url, timeout=30) as client:
        yield client


class OlderCodec(Codec):
    """Of a release that does not know the newest schema yet."""

    def decode(self, value: bytes) -> Envelope:
        if value[:5] == b"\0\0\0\0\x03":
            raise Undecodable("schema id 3: not a schema of this registry")
        return super().decode(value)


OLDER = OlderCodec(Catalogue())


def measured(stream: Stream, name: str) -> None:
    stream.event(e.MetricsReported("v1.0", {"loss": 0.5}, 1, 1_795_262_400_123_456, "trainer"), name)


def content(database: Any) -> dict[str, list[bytes]]:
    """Every document's bytes; but not how the checkpoints came to be what they are."""
    found = {name: list(database[name].find().sort("_id", 1)) for name in sorted(COLLECTIONS)}
    for one in found["checkpoints"]:
        one.pop("replays", None)
    return {name: [BSON.encode(one) for one in documents] for name, documents in found.items()}


@contextmanager
def database(url: str, name: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](url) as client:
        try:
            yield client[name]
        finally:
            client.drop_database(name)


def test_a_parked_model_is_projected_again_by_a_release_that_can_read_it_and_no_other_is_touched(
    stack: NativeStack, command: CommandLine
) -> None:
    world, stream = KafkaWorld(stack.kafka_bootstrap), Stream()
    for name in ("parked", "deleted", "well", "hopeless"):
        stream.add(registration(name), name)
    for name in ("parked", "deleted"):
        measured(stream, name)
        stream.add(c.UpdateModel(c.ModelFields(framework="x")), name)
    stream.raw(model_id_of("hopeless").encode(), b"garbage")
    stream.claim(2)
    stream.add(c.CreateVersion(), "parked")
    stream.add(c.DeleteModel(), "deleted")
    measured(stream, "well")
    world.append(world.topics.log, stream.values)
    command.use(world)
    ends = {"log:0": len(stream.values), "downloads:0": 0}
    bury = DeadLetterTopic(configuration.producer(world.kafka, "test"), world.topics.dead_letters)
    name = world.topics.registry
    with database(stack.mongodb_url, name) as live, database(stack.mongodb_url, f"{name}-fresh") as fresh:
        with projector_running(world.kafka, world.topics, stack.mongodb_url, bury=bury, codec=OLDER):
            wait_for_checkpoints(live, ends)
            # The release that can't read it does not come any further either.
            again = command.run("dead-letters", "replay", model_id_of("parked"))
            assert (again.status, "It is parked again, at 0:5" in again.out) == (1, True), again
        assert live.parked.count_documents({}) == 4
        untouched = BSON.encode(live.models.find_one({"_id": model_id_of("hopeless")}))
        with projector_running(world.kafka, world.topics, stack.mongodb_url, bury=bury):
            for which in (model_id_of("parked"), "0:7"):
                done = command.run("dead-letters", "replay", which)
                assert (done.status, done.out) == (0, "The model goes on.\n"), done
            later = command.run("dead-letters", "replay", model_id_of("well"))
            assert later.status == 0, later
            stream.add(c.ArchiveModel(), "parked")
            world.append(world.topics.log, stream.values[ends["log:0"] :])
            ends["log:0"] += 1
            wait_for_checkpoints(live, ends)
            nothing = command.run("dead-letters", "replay", model_id_of("well"))
            assert (nothing.status, "No record of the model" in nothing.err) == (2, True), nothing
        assert BSON.encode(live.models.find_one({"_id": model_id_of("hopeless")})) == untouched
        with projector_running(world.kafka, world.topics, stack.mongodb_url, fresh.name, lambda _: None):
            wait_for_checkpoints(fresh, ends)
        assert content(live) == content(fresh)
        listed = command.run("dead-letters", "list", "--all").out.splitlines()
        positions = [line.split()[0] for line in listed if line.startswith("0:")]
        assert positions == [f"0:{offset}" for offset in (5, 6, 7, 8, 9, 11, 12, 13)]


def test_a_letter_is_stored_once_and_one_that_is_too_long_is_cut(stack: NativeStack) -> None:
    world = KafkaWorld(stack.kafka_bootstrap)
    topic = world.topics.dead_letters
    values = [b"a", b"b" * (8 * 2**20 - 100), b"c"]
    found = [
        DeadLetter(Record(world.topics.log, 0, offset, None, value, lambda: [("x", b"1")]), "undecodable", "why")
        for offset, value in enumerate(values)
    ]
    bury = DeadLetterTopic(configuration.producer(world.kafka, "test"), topic)
    bury(found[:2])
    bury(found)
    source = TopicReader(world.kafka, topic, "test")
    assert sum(len(one) for one in source.ranges()) == 3
    DeadLetterTopic(configuration.producer(world.kafka, "test"), topic)(found)
    stored = letters(source.read(source.ranges()))
    assert [(str(one.position), one.size, one.headers) for one in stored] == [
        (f"0:{offset}", len(value), (("x", b"1"),)) for offset, value in enumerate(values)
    ]


def eventually(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.timeout(240)
def test_an_operator_sees_and_discards_what_parks_a_model(
    own_processes: RegistryProcesses, http: httpx.Client, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every kind of hostile bytes; the processes go on, and so do all other models."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "REGISTRY_ID", "MONGODB_URL", "MONGODB_DB"):
        monkeypatch.setenv(name, own_processes.environment[name])
    monkeypatch.setenv("REGISTRY_URL", own_processes.url)
    made = http.post("/api/v1/models", json={"name": "poisoned", "algorithm": "svm"}).json()
    model_id = made["model_id"]
    topics, partition = Topics(own_processes.registry_id), partition_of(model_id, 6)
    producer = Producer({"bootstrap.servers": own_processes.kafka_bootstrap, "message.max.bytes": 8 * 2**20})
    poison = [value for _, value in HOSTILE if len(value) < 2**20]
    for value in poison:
        producer.produce(topics.log, value, model_id.encode(), partition=partition)
    assert producer.flush(20) == 0
    url = f"/api/v1/models/{model_id}"
    # It is not archived, so until the poison is read this is a command that changes nothing.
    eventually(lambda: http.post(f"{url}/restore", json={}).status_code == 409)
    refused = http.post(f"{url}/upload", content=b"x", headers={"Content-Type": "application/octet-stream"})
    assert (refused.status_code, refused.json()["code"]) == (409, "model-parked")
    assert "docs/runbooks/dead-letters.md" in refused.json()["detail"]

    def listed() -> list[dict[str, Any]]:
        out = command.run("dead-letters", "list", "--model", model_id, "--json").out
        return [json.loads(line) for line in out.splitlines()]

    deadline = time.monotonic() + 60
    while len(found := listed()) < len(poison):
        assert time.monotonic() < deadline, (found, command.run("dead-letters", "list", "--all"))
    assert [bytes.fromhex(one["value"]) for one in found] == poison
    assert {(one["reason"], one["parked"]) for one in found} == {("undecodable", True)}
    truncated = next(one for one in found if one["fields"].get("model_name") == "a model")
    shown = command.run("dead-letters", "show", truncated["position"])
    assert 'field    model_name: "a model"' in shown.out
    assert "can't be read" in shown.out
    metrics = httpx.get(f"{own_processes.url_of('projector')}/metrics", timeout=10).text
    assert f'parked_models{{partition="{partition}"}} 1.0' in metrics
    assert "dead_letters_total" in metrics

    first, last = (int(found[index]["position"].split(":")[1]) for index in (0, -1))
    body = {"model_id": model_id, "reason": "noise", "first_offset": first, "last_offset": last - 1}
    other = http.post("/api/v1/dead-letters/discard", json=body)
    assert (other.status_code, other.json()["code"]) == (409, "parked-records-changed")
    done = command.run("dead-letters", "discard", found[1]["position"], "--reason", "noise", "--yes")
    assert (done.status, "The model goes on" in done.out) == (0, True), done
    gone = http.post("/api/v1/dead-letters/discard", json={"model_id": model_id, "reason": "noise"})
    assert (gone.status_code, gone.json()["code"]) == (404, "nothing-parked")
    assert http.post(f"{url}/versions", json={}).status_code == 201
    assert http.get(url).json()["version"] == "v1.1"
    types = [one["type"] for one in http.get(f"{url}/history").json()["events"]]
    assert sorted(types) == ["ModelRegistered", "ModelVersioned", "ParkedRecordsDiscarded"]
    assert listed() == []
    assert command.run("audit", "verify", "--no-blobs").status == 0
