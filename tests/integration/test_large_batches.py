"""What is too large for one of MongoDB's transactions is written in smaller ones, until it fits."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import BulkWriteError, OperationFailure

from devstack.installer import binaries, install_servers
from devstack.mongodb_server import REPLICA_SET, MongodbServer
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime
from devstack.server import ServerProcess
from devstack.stack import NativeStack
from tensorfleet.domain import commands as c
from tensorfleet.domain.errors import BatchTooLarge
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.projection_store import SMALL_BATCH, ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Writes
from tests.builders import Stream, registration
from tests.integration.command_line import CommandLine
from tests.integration.kafka_world import KafkaWorld
from tests.integration.projected import projector_running, wait_for_checkpoints
from tests.integration.registry_world import RegistryWorld, registry_world

MODELS, BYTES = 250, 500_000
"""So many models, with as much of hyperparameters each."""


@dataclass
class Store:
    """One in which so many records fit; it tells how many were tried to be written at once, fitting or not."""

    room: int = 150
    tried: list[int] = field(default_factory=list)


@pytest.fixture
def world(stack: NativeStack, command: CommandLine) -> Iterator[RegistryWorld]:
    with registry_world(stack.kafka_bootstrap, stack.mongodb_url) as one:
        command.use(one)
        yield one


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    one, commit = Store(), ProjectionStore.commit

    def commit_what_fits(real: ProjectionStore, writes: Writes) -> None:
        one.tried.append(writes.records)
        if writes.records > one.room:
            raise BatchTooLarge(f"MongoDB took back a transaction of {writes.records} records.")
        commit(real, writes)

    monkeypatch.setattr(ProjectionStore, "commit", commit_what_fits)
    return one


def test_a_projection_goes_on_in_batches_that_fit_and_grow_again(world: RegistryWorld, store: Store) -> None:
    world.log.write(2_000)
    world.project()
    fitted = [one for one in store.tried if one <= store.room]
    assert (sum(fitted), max(store.tried) > 2 * store.room) == (2_002, True)
    assert max(fitted) > fitted[0], "they never grew again"
    assert len(store.tried) - len(fitted) < len(fitted) / 2


def test_a_rebuild_comes_to_the_same_in_batches_that_fit(
    world: RegistryWorld, store: Store, command: CommandLine
) -> None:
    world.write(1_000)
    store.tried.clear()
    done = command.run("rebuild", "--hand-over", 0)
    assert (done.status, max(store.tried) > store.room) == (0, True), done
    assert world.generations.live != world.home
    assert world.content(world.generations.live) == world.content(world.home)


def taken_back(world: RegistryWorld) -> int:
    """Transactions, since the server began."""
    return int(world.client.admin.command("serverStatus")["transactions"]["totalAborted"])


def test_a_large_batch_that_mongodb_takes_back_is_too_large_and_a_small_one_waits(world: RegistryWorld) -> None:
    """As it takes back what meets another writer. Nothing of either is written before it is done."""
    with open_store(world.mongodb_url, world.home) as real, world.client.start_session() as rival:
        real.prepare()
        before = real.checkpoint(Checkpoint("log", 0, "cluster", "topic", 0, 0, bytes(32)))
        large, small = (
            Writes(parked={"m": {"_id": "m"}}, checkpoints=[(before, replace(before, next_offset=records))])
            for records in (SMALL_BATCH + 1, SMALL_BATCH)
        )
        rival.start_transaction()
        world.live.checkpoints.update_one({"_id": before.id}, {"$set": {"epoch": 9}}, session=rival)
        with pytest.raises(BatchTooLarge, match="took back a transaction of 101 records"):
            real.commit(large)
        tried = taken_back(world)
        with ThreadPoolExecutor(1) as pool:
            committing = pool.submit(real.commit, small)
            while taken_back(world) < tried + 3:
                assert not committing.done()
            rival.abort_transaction()
            committing.result(30)
        assert real.checkpoint(before).next_offset == SMALL_BATCH
        assert world.live.parked.count_documents({}) == 1


@pytest.mark.parametrize(
    "error",
    [OperationFailure("too large", 388), BulkWriteError({"writeErrors": [{"index": 0, "code": 388, "errmsg": ""}]})],
    ids=["of one command", "of a bulk"],
)
def test_a_small_one_that_mongodb_calls_too_large_is_too_large(
    world: RegistryWorld, error: OperationFailure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(ProjectionStore, "_write_changes", refuse)
    with open_store(world.mongodb_url, world.home) as real:
        real.prepare()
        before = real.checkpoint(Checkpoint("log", 0, "cluster", "topic", 0, 0, bytes(32)))
        with pytest.raises(BatchTooLarge, match="no room in its cache"):
            real.commit(Writes(checkpoints=[(before, replace(before, next_offset=2))]))
        assert real.checkpoint(before) == before


@pytest.fixture
def small_mongodb(tmp_path: Path) -> Iterator[str]:
    """Its address; with the smallest cache there is."""
    install_servers()
    (port,) = free_ports(1)
    server = MongodbServer(tmp_path / "mongodb", binaries().mongod, port, cache_gb=0.25)
    process = ServerProcess(server, tmp_path, Lifetime.KILLED_WITH_PARENT)
    process.start()
    yield f"mongodb://{HOST}:{port}/?replicaSet={REPLICA_SET}"
    process.kill()


def test_models_that_outgrow_a_cache_together_are_projected(
    stack: NativeStack, small_mongodb: str, caplog: pytest.LogCaptureFixture
) -> None:
    world, stream = KafkaWorld(stack.kafka_bootstrap), Stream()
    for number in range(MODELS):
        text = random.Random(number).randbytes(BYTES // 2).hex()
        version = c.VersionFields(hyperparameters={"text": text})
        stream.add(replace(registration(f"m{number}"), version_fields=version), f"m{number}")
    world.append(world.topics.log, stream.values)
    with (
        MongoClient[dict[str, Any]](small_mongodb) as client,
        projector_running(world.kafka, world.topics, small_mongodb),
    ):
        wait_for_checkpoints(client[world.topics.registry], {"log:0": MODELS + 1, "downloads:0": 0})
        assert client[world.topics.registry].models.count_documents({}) == MODELS
    assert "smaller batches: MongoDB" in caplog.text
