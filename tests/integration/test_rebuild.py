"""`tensorfleet rebuild` and `rollback` on real servers: what the log makes goes live, or nothing changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tensorfleet.domain.errors import CheckpointTaken, GenerationsBusy, LogUnavailable, ReadModelsOutdated
from tensorfleet.mongo.filling_store import FillingStore
from tensorfleet.mongo.generation_stores import open_generations
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Writes
from tensorfleet.rebuild import rebuild
from tensorfleet.rebuild.filling import Filling
from tensorfleet.rebuild.lanes import Lane, Lanes
from tests.integration.command_line import CommandLine
from tests.integration.registry_world import RegistryWorld
from tests.processes import REPOSITORY

NOBODY = ("--hand-over", 0)
"""No projector runs in most of these tests."""


def plant(world: RegistryWorld) -> str:
    found = world.live.models.find_one_and_update({}, {"$set": {"description": "edited by hand"}})
    assert found is not None
    return str(found["_id"])


def records_of(world: RegistryWorld) -> int:
    return sum(one["next_offset"] for one in world.live.checkpoints.find())


def elsewhere(lanes: Callable[..., list[Lane]]) -> Callable[..., list[Lane]]:
    """The second of the lanes begins with checkpoints of another topic."""

    def lied(*arguments: Any) -> list[Lane]:
        first, second = lanes(*arguments)
        wrong = {key: replace(one, topic_id="another") for key, one in second.beginnings.items()}
        return [first, replace(second, beginnings=wrong)]

    return lied


def test_a_rebuilt_generation_is_byte_for_byte_the_old_one(world: RegistryWorld, command: CommandLine) -> None:
    before = world.content(world.home)
    indexes = {name: world.live[name].index_information() for name in before}
    done = command.run("rebuild", *NOBODY)
    assert done.status == 0, done.err
    assert (world.generations.live, world.generations.previous) == (f"{world.home}__1", world.home)
    assert world.content(world.generations.live) == before
    assert {name: world.live[name].index_information() for name in before} == indexes


def test_several_processes_make_the_same_of_a_long_log(
    world: RegistryWorld, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild, "WORTH_RECORDS", 10)
    world.append(world.topics.downloads, [(b"x", b"garbage")])
    world.project([])
    before = world.content(world.home)
    done = command.run("rebuild", "--processes", 2, *NOBODY)
    assert (done.status, "1 of them can't be projected" in done.out) == (0, True), done.out + done.err
    assert f"{records_of(world):,} records replayed" in done.out
    assert world.content(world.generations.live) == before


def test_what_ends_one_of_several_processes_ends_the_rebuild(
    world: RegistryWorld, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The topic is another one by the time that the lanes read it."""
    monkeypatch.setattr(rebuild, "WORTH_RECORDS", 10)
    before = world.content(world.home)
    monkeypatch.setattr(Lanes, "_lanes", elsewhere(Lanes._lanes))
    done = command.run("rebuild", "--processes", 2, *NOBODY)
    assert (done.status, "from another log" in done.err) == (2, True), done.out + done.err
    assert (world.databases(), world.content(world.home)) == ({world.home}, before)


def test_read_models_of_another_shape_are_refused_until_they_are_made_anew(
    world: RegistryWorld, command: CommandLine
) -> None:
    world.live.shape.delete_many({})
    with open_generations(world.mongodb_url, world.home) as stores:
        known = next(iter(stores.checkpoints(world.home).values()))
        with pytest.raises(ReadModelsOutdated, match="have shape 1; this release reads and writes shape 3"):
            stores.store(world.home).checkpoint(known)
        assert command.run("rebuild", "--repair", *NOBODY).status == 0
        assert command.run("rollback").status == 2
    assert world.live.shape.find_one() == {"_id": "shape", "number": 3}


def test_the_projector_goes_on_in_the_generation_that_is_live(world: RegistryWorld, command: CommandLine) -> None:
    assert command.run("rebuild", *NOBODY).status == 0
    before = world.content(world.home)
    world.write(50)
    assert world.content(world.home) == before
    assert command.run("verify").status == 0


def test_a_difference_stops_the_switch_and_repair_mends_it(world: RegistryWorld, command: CommandLine) -> None:
    right = world.content(world.home)
    model_id = plant(world)
    wrong = world.content(world.home)
    stopped = command.run("rebuild", *NOBODY)
    assert (stopped.status, f"{model_id}  differs: description" in stopped.out) == (1, True), stopped.out
    assert (world.generations.live, world.databases()) == (world.home, {world.home})
    assert world.content(world.home) == wrong
    repaired = command.run("rebuild", "--repair", *NOBODY)
    assert (repaired.status, f"{model_id}  differs: description" in repaired.out) == (0, True), repaired.err
    assert world.content(world.generations.live) == right
    assert command.run("verify").status == 0


def test_a_rollback_catches_up_first(world: RegistryWorld, command: CommandLine) -> None:
    assert command.run("rollback").status == 2
    assert command.run("rebuild", *NOBODY).status == 0
    rebuilt = world.generations.live
    world.write(50)
    assert command.run("rollback", *NOBODY).status == 0
    assert (world.generations.live, world.generations.previous) == (world.home, rebuilt)
    assert world.content(world.home) == world.content(rebuilt)
    assert command.run("rollback", *NOBODY).status == 0
    assert world.generations.live == rebuilt


def test_old_generations_stay_until_they_are_dropped(world: RegistryWorld, command: CommandLine) -> None:
    for _ in range(2):
        assert command.run("rebuild", *NOBODY).status == 0
    first, second, third = (f"{world.home}__{number}" for number in (1, 2, 3))
    assert world.generations.kept == (second, first, world.home)
    assert command.run("rebuild", "--drop-old", *NOBODY).status == 0
    assert world.generations.kept == (third, second)
    assert world.databases() == {world.home, second, third}
    assert "models" not in world.client[world.home].list_collection_names()


def test_of_two_at_once_one_refuses(world: RegistryWorld, command: CommandLine) -> None:
    with open_generations(world.mongodb_url, world.home) as stores, stores.lease():
        for name in ("rebuild", "verify", "rollback"):
            refused = command.run(name)
            assert (refused.status, "is running" in refused.err) == (2, True), refused.err
    assert command.run("rebuild", *NOBODY).status == 0


def test_a_lease_that_was_taken_over_switches_nothing(world: RegistryWorld) -> None:
    with open_generations(world.mongodb_url, world.home) as stores, stores.lease() as lease:
        before = lease.generations()
        world.client[world.home].generations.update_one({}, {"$set": {"lease.holder": "another"}})
        with pytest.raises(GenerationsBusy):
            lease.set(before.switched("elsewhere"))
        assert stores.read() == before


@pytest.mark.timeout(240)
def test_a_rebuild_that_was_killed_changed_nothing_and_can_be_repeated(
    world: RegistryWorld, command: CommandLine
) -> None:
    world.write(5_000)
    before = world.content(world.home)
    for _ in range(2):
        kill_while_filling(world)
        assert (world.generations.live, world.content(world.home)) == (world.home, before)
    assert len(world.databases()) > 1
    assert command.run("rebuild", *NOBODY).status == 0
    assert world.databases() == {world.home, world.generations.live}
    assert world.content(world.generations.live) == before


def kill_while_filling(world: RegistryWorld) -> None:
    begun = {"operationType": "insert", "ns.coll": "checkpoints", "ns.db": {"$regex": f"^{world.home}__"}}
    with world.client.watch([{"$match": begun}], max_await_time_ms=1000) as changes:
        running = subprocess.Popen([sys.executable, "-m", "tensorfleet.cli", "rebuild"], cwd=REPOSITORY, env=os.environ)
        try:
            deadline = time.monotonic() + 60
            while changes.try_next() is None:
                assert time.monotonic() < deadline and running.poll() is None
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()


def test_what_fails_after_the_switch_takes_nothing_back(
    world: RegistryWorld, command: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.content(world.home)

    def fails(*_: Any) -> set[str]:
        raise LogUnavailable("Kafka is gone")

    monkeypatch.setattr(Filling, "follow", fails)
    assert command.run("rebuild").status == 2
    assert world.generations.live == f"{world.home}__1"
    assert world.content(world.generations.live) == before


def test_read_models_of_another_log_are_left_alone(world: RegistryWorld, command: CommandLine) -> None:
    world.live.checkpoints.update_one({"_id": "log:0"}, {"$set": {"topic_id": "another"}})
    for name in ("rebuild", "verify"):
        refused = command.run(name)
        assert (refused.status, "from another log" in refused.err) == (2, True), refused.err
    assert world.databases() == {world.home}


def test_dead_letters_that_are_buried_are_not_buried_again(world: RegistryWorld, command: CommandLine) -> None:
    world.append(world.topics.downloads, [(b"x", b"garbage")])
    letters: list[Any] = []
    world.project(letters)
    assert len(letters) == 1
    done = command.run("rebuild", *NOBODY)
    assert (done.status, "1 of them can't be projected" in done.out) == (0, True), done.out
    assert world.read(world.topics.dead_letters, 1, seconds=1) == []


class TestHandOver:
    """Who fills a generation, and a projector that takes one of its partitions over."""

    @pytest.fixture
    def stores(self, world: RegistryWorld) -> tuple[FillingStore, ProjectionStore]:
        filling = FillingStore(world.client, f"{world.home}__9", "filler")
        filling.prepare()
        filling.begin()
        return filling, ProjectionStore(world.client, f"{world.home}__9")

    def moved(self, one: Checkpoint) -> tuple[Writes, Checkpoint]:
        after = Checkpoint(one.topic, one.partition, one.cluster_id, one.topic_id, one.next_offset + 1, 0, bytes(32))
        return Writes(checkpoints=[(one, after)]), after

    def test_what_was_filled_before_is_in_the_checkpoint_and_nothing_after(
        self, stores: tuple[FillingStore, ProjectionStore]
    ) -> None:
        filling, projector = stores
        first = filling.checkpoint(Checkpoint("log", 0, "c", "t", 0, 0, bytes(32)))
        other = filling.checkpoint(Checkpoint("log", 1, "c", "t", 0, 0, bytes(32)))
        writes, after = self.moved(first)
        filling.commit(writes)
        assert projector.checkpoint(first) == after
        with pytest.raises(CheckpointTaken):
            filling.commit(self.moved(after)[0])
        assert filling.taken() == {"log:0"}
        filling.commit(self.moved(other)[0])
        projector.commit(self.moved(after)[0])

    def test_whoever_fills_it_next_fences_off_the_one_before(
        self, world: RegistryWorld, stores: tuple[FillingStore, ProjectionStore]
    ) -> None:
        first = stores[0].checkpoint(Checkpoint("log", 0, "c", "t", 0, 0, bytes(32)))
        FillingStore(world.client, f"{world.home}__9", "next").begin()
        with pytest.raises(CheckpointTaken):
            stores[0].commit(self.moved(first)[0])
