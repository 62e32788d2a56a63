"""`tensorfleet adopt-log` on real servers: read models go on with a restored log, and with no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from devstack.stack import NativeStack
from tensorfleet.domain.errors import CheckpointTaken
from tensorfleet.events.stored import StoredRecord
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.generation_stores import open_generations
from tensorfleet.progress import Progress
from tensorfleet.rebuild.adoption import Adoption
from tensorfleet.rebuild.log_source import LogSource
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld, delivered, known_producer
from tests.integration.projected import projector_running, wait_for_checkpoints
from tests.integration.registry_world import RegistryWorld, registry_world
from tests.processes import RegistryProcesses


@pytest.fixture
def world(stack: NativeStack, command: CommandLine) -> Iterator[RegistryWorld]:
    with registry_world(stack.kafka_bootstrap, stack.mongodb_url) as world:
        world.write(200)
        command.use(world)
        assert command.run("rebuild", "--hand-over", 0).status == 0
        yield world


def copied(world: RegistryWorld, change: str | None = None) -> KafkaWorld:
    """The same records at the same offsets in topics of another name; with `change`, not quite."""
    copy = KafkaWorld(world.kafka["bootstrap.servers"], world.topics.partitions)
    producer = known_producer(copy.kafka)
    for old, new in ((world.topics.log, copy.topics.log), (world.topics.downloads, copy.topics.downloads)):
        source = TopicReader(world.kafka, old, "test")
        records = list(source.read(source.ranges()))
        if change is not None and old == world.topics.downloads:
            records = changed(records, change)
        for one in records:
            producer.produce(new, one.value, one.key, partition=one.partition, on_delivery=delivered)
    assert producer.flush(20) == 0
    return copy


def changed(records: list[StoredRecord], change: str) -> list[StoredRecord]:
    last = records[-1]
    if change == "shorter":
        return records[:-1]
    first = next(one for one in records if one.value != last.value and one.partition == last.partition)
    return [*records[:-1], StoredRecord(last.partition, last.offset, last.key, first.value)]


def everything(world: RegistryWorld) -> dict[str, dict[str, list[bytes]]]:
    return {name: world.content(name) for name in sorted(world.databases())}


def test_every_generation_goes_on_with_a_log_that_holds_the_same(
    world: RegistryWorld, command: CommandLine, stack: NativeStack
) -> None:
    copy = copied(world)
    before = everything(world)
    command.use(copy)
    refused = command.run("rebuild")
    command_database(command, world)
    refused = command.run("rebuild")
    assert (refused.status, "adopt-log" in refused.err) == (2, True), refused
    done = command.run("adopt-log", "--yes")
    assert (done.status, done.out.splitlines()[-1]) == (0, "Adopted. Start the services."), done
    assert sum("the same records" in line for line in done.out.splitlines()) == 8
    for name in world.generations.kept:
        for one in world.client[name].checkpoints.find():
            topic = copy.topics.log if one["_id"].startswith("log") else copy.topics.downloads
            assert (one["cluster_id"], one["topic_id"]) == (copy.identity.cluster_id, copy.identity.topic_ids[topic])
    after = everything(world)
    for content in (*before.values(), *after.values()):
        content.pop("checkpoints")
    assert after == before
    again = command.run("adopt-log")
    assert (again.status, "already" in again.out) == (0, True), again
    world.topics = copy.topics
    with projector_running(world.kafka, copy.topics, stack.mongodb_url, world.generations.live, lambda _: None):
        copy.append(copy.topics.log, [(b"no model", b"one more")])
        wait_for_checkpoints(world.live, world.ends())


def command_database(command: CommandLine, world: RegistryWorld) -> None:
    """The commands meet the read models of `world`, whatever its topics."""
    command._monkeypatch.setenv("MONGODB_DB", world.home)


@pytest.mark.parametrize(
    ("change", "text"), [("shorter", "records are missing"), ("altered", "holds other records before this offset")]
)
def test_a_log_that_is_shorter_or_another_is_refused_and_nothing_is_changed(
    world: RegistryWorld, command: CommandLine, change: str, text: str
) -> None:
    copy = copied(world, change)
    before = everything(world)
    command.use(copy)
    command_database(command, world)
    done = command.run("adopt-log", "--yes")
    assert (done.status, text in done.out, "NOT ADOPTED: 2 of 8" in done.out) == (1, True, True), done
    assert everything(world) == before


class NoProgress(Progress):
    def begin(self, what: str, total: int) -> None: ...
    def advance(self, number: int = 1) -> None: ...


def test_nothing_is_adopted_if_a_checkpoint_moves_meanwhile(world: RegistryWorld) -> None:
    copy = copied(world)
    with open_generations(world.mongodb_url, world.home) as stores:
        adoption = Adoption(LogSource(copy.topics, copy.kafka, "test"), stores, NoProgress())
        examined = adoption.examine()
        assert [one.problem for one in examined] == [None] * 8
        world.write(20)
        before = everything(world)
        with pytest.raises(CheckpointTaken):
            adoption.adopt(examined)
    assert everything(world) == before


@pytest.mark.timeout(180)
def test_a_registry_serves_again_after_backup_loss_restore_and_adoption(
    own_processes: RegistryProcesses, command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in own_processes.environment.items():
        if name.startswith(("KAFKA_", "REGISTRY_", "MONGODB_", "MINIO_")):
            monkeypatch.setenv(name, value)
    own_processes.start("gateway", "projector")
    with httpx.Client(base_url=own_processes.url, timeout=30) as http:
        for number in range(5):
            assert http.post("/api/v1/models", json={"name": f"n{number}", "algorithm": "svm"}).status_code == 201
        assert command.run("backup", tmp_path / "backup").status == 0
        for name in ("gateway", "projector"):
            own_processes.stop(name)
        admin = AdminClient({"bootstrap.servers": own_processes.kafka_bootstrap})
        topics = Topics(own_processes.registry_id)
        for future in admin.delete_topics([topics.log, topics.downloads]).values():
            future.result(20)
        while {topics.log, topics.downloads} & admin.list_topics(timeout=10).topics.keys():
            pass
        restored = command.run("restore", tmp_path / "backup")
        assert (restored.status, "Every record has its old offset." in restored.out) == (0, True), restored
        own_processes.start_without_waiting("gateway")
        assert own_processes.wait_end("gateway") == 1
        assert "adopt-log" in own_processes.log("gateway")
        done = command.run("adopt-log", "--yes")
        assert (done.status, "Adopted" in done.out) == (0, True), done
        own_processes.start("gateway", "projector")
        made = http.post("/api/v1/models", json={"name": "later", "algorithm": "svm"})
        assert (made.status_code, made.headers["X-Registry-Projected"]) == (201, "true")
        taken = http.post("/api/v1/models", json={"name": "n0", "algorithm": "svm"})
        assert (taken.status_code, http.get("/api/v1/models").json()["pagination"]["total"]) == (409, 6)
