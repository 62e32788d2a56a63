"""What is too large for one of MongoDB's transactions is written in smaller ones, until it fits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
from pymongo.errors import BulkWriteError, OperationFailure

from devstack.stack import NativeStack
from tensorfleet.domain.errors import BatchTooLarge
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.projection_store import SMALL_BATCH, ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Writes
from tests.integration.command_line import CommandLine
from tests.integration.registry_world import RegistryWorld, registry_world


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


def test_a_projection_goes_on_in_batches_that_fit_and_tries_larger_ones_now_and_then(
    world: RegistryWorld, store: Store
) -> None:
    world.log.write(2_000)
    world.project()
    fitted = [one for one in store.tried if one <= store.room]
    assert (sum(fitted), max(store.tried) > 2 * store.room) == (2_002, True)
    first = store.tried.index(fitted[0])
    assert max(store.tried[first:]) > store.room, "it never tried to go back"
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
