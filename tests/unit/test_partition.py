"""The owner of a partition, on a log in memory: what it does when appends fail and when the log holds oddities."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from services.command_api.bus import CommandBus
from services.command_api.forwarder import Forwarder
from services.command_api.memory import CommandMemory
from services.command_api.partition import MOST_QUEUED, Partition, State
from services.command_api.submission import NotTheOwner, Submission
from tensorfleet.domain import commands as c
from tensorfleet.domain import events as e
from tensorfleet.domain.errors import CommandStillRunning, LogHalted, LogUnavailable, ModelNotFound, RegistryError
from tensorfleet.events.envelope import Envelope, OwnershipClaimed
from tensorfleet.events.fold import LogFold
from tensorfleet.kafka.records import EndOfPartition
from tests.builders import CODEC, MODEL_ID, NAME, envelope, registration


class MemoryLog:
    """Holds what is appended; a test decides when it is read, or that it failed."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.envelopes: list[Envelope] = []
        self.failed: list[Callable[[LogUnavailable], None]] = []

    def append(
        self, one: Envelope, value: bytes, traceparent: str | None, failed: Callable[[LogUnavailable], None]
    ) -> None:
        self.records.append((one.model_id.encode(), value))
        self.envelopes.append(one)
        self.failed.append(failed)

    async def end(self) -> int:
        return len(self.records)

    @property
    def claims(self) -> int:
        return sum(isinstance(one.event, OwnershipClaimed) for one in self.envelopes)


class Observer:
    def judged(self, partition: int, verdict: str) -> None: ...
    def state_changed(self, partition: int, state: str) -> None: ...
    def registered(self, algorithm: str) -> None: ...


class World:
    def __init__(self) -> None:
        self.log = MemoryLog()
        ids = iter(range(10**6))
        self.partition = Partition(
            0,
            LogFold(CODEC),
            self.log,
            CommandMemory(lambda: 10**15),
            Observer(),
            url="http://here",
            instance_id="here",
            now=lambda: 10**15,
            new_event_id=lambda: f"event {next(ids)}",
        )
        self.read = 0

    def read_one(self) -> None:
        key, value = self.log.records[self.read]
        self.read += 1
        self.partition.read(self.read - 1, key, value)

    def catch_up(self) -> None:
        while self.read < len(self.log.records):
            self.read_one()

    def own(self) -> None:
        self.partition.caught_up()
        self.partition.set_licence(True)
        self.catch_up()
        assert self.partition.state is State.OWNING

    def submit(
        self, command: c.Command, key: str | None = None, name: str = "", *, at_once: bool = True
    ) -> asyncio.Future[Any]:
        """`at_once`: in a moment of its own."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        hash_ = None if key is None else key.encode().ljust(32)
        command_id = key or f"command {len(self.log.records)} {id(done)}"
        self.partition.submit(Submission(MODEL_ID, name, command, command_id, hash_, "ann", None, done))
        if at_once:
            self.partition.pump()
        return done

    def place(self, value: bytes, key: str = MODEL_ID) -> None:
        self.log.records.append((key.encode(), value))


def before_reading(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The partition has read nothing and may own nothing."""

    def run() -> None:
        async def main() -> None:
            await test(World())

        asyncio.run(main())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def in_loop(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The partition is owned."""

    async def owning(world: World) -> None:
        world.own()
        await test(world)

    owning.__name__, owning.__doc__ = test.__name__, test.__doc__
    return before_reading(owning)


@in_loop
async def test_a_batch_of_which_every_append_fails_leads_to_one_claim_and_is_decided_again(world: World) -> None:
    first = world.submit(registration(), name=NAME)
    rest = [world.submit(c.CreateVersion()) for _ in range(300)]
    world.read_one()
    assert first.done()
    batch = world.log.failed[-300:]
    del world.log.records[-300:]  # Kafka never took them
    for failed in batch:
        failed(LogUnavailable("gone"))
    assert (world.log.claims, world.partition.state) == (2, State.SUSPECT)
    world.catch_up()
    world.catch_up()
    assert all(one.done() for one in rest)
    assert [str(one.result().version) for one in rest] == [f"v1.{n}" for n in range(1, 301)]


@in_loop
async def test_commands_of_one_moment_are_one_batch(world: World) -> None:
    before = len(world.log.records)
    first = world.submit(registration(), name=NAME, at_once=False)
    rest = [world.submit(c.CreateVersion(), at_once=False) for _ in range(3)]
    assert len(world.log.records) == before
    await asyncio.sleep(0)
    assert len(world.log.records) == before + 4
    world.catch_up()
    assert [str(one.result().version) for one in (first, *rest)] == ["v1.0", "v1.1", "v1.2", "v1.3"]


@in_loop
async def test_what_waits_is_bounded_and_goes_on_when_there_is_room(world: World) -> None:
    waiting = [world.submit(registration(), name=NAME)]
    with pytest.raises(LogUnavailable, match="Too many"):
        for _ in range(2 * MOST_QUEUED):
            waiting.append(world.submit(c.UpdateModel(c.ModelFields(framework="x"))))
    assert len(waiting) == world.partition.queued == MOST_QUEUED
    world.read_one()
    waiting.append(world.submit(c.CreateVersion()))
    world.partition.halt(LogHalted("gone"))
    assert all(isinstance(one.exception(), LogHalted) for one in waiting[1:])


@in_loop
async def test_commands_taken_back_are_decided_again_in_the_order_they_came(world: World) -> None:
    """The one that emitted nothing stands between the two others, and must stay there."""
    made = world.submit(registration(), name=NAME)
    world.catch_up()
    assert made.done()
    blocking = world.submit(c.UpdateModel(c.ModelFields(framework="x")))
    commands = [c.ArchiveModel(), c.ArchiveModel(), c.RestoreModel(), c.RestoreModel()]
    asked = [world.submit(one) for one in commands]
    world.read_one()
    assert blocking.done() and not asked[0].done()
    world.log.failed[-1](LogUnavailable("gone"))
    del world.log.records[-3:-1]  # the two events; the claim stays
    world.catch_up()
    world.catch_up()
    assert [one.result().event_type for one in asked] == ["ModelArchived", None, "ModelRestored", None]


@before_reading
async def test_the_log_is_replayed_when_every_partition_is(world: World) -> None:
    other = World().partition
    forwarder = Forwarder("token")
    bus = CommandBus([world.partition, other], CommandMemory(lambda: 0), forwarder, 10, lambda: 0)
    bus.on_burst([EndOfPartition("log", 0, 0), EndOfPartition("log", 0, 0)])
    assert not bus.replayed.is_set()
    bus.on_burst([EndOfPartition("log", 1, 0)])
    assert bus.replayed.is_set()
    await forwarder.close()


@before_reading
async def test_what_waited_until_the_log_was_read_goes_to_the_owner(world: World) -> None:
    waiting = world.submit(registration(), name=NAME)
    world.place(CODEC.encode(envelope(OwnershipClaimed("http://there", "there"))), "")
    world.catch_up()
    assert not waiting.done()
    world.partition.caught_up()
    error = waiting.exception()
    assert isinstance(error, NotTheOwner) and error.owner_url == "http://there"


@pytest.mark.parametrize("name", ["impossible", "first", "garbage"])
def test_what_fits_no_state_parks_its_model_and_nothing_else(name: str) -> None:
    @in_loop
    async def run(world: World) -> None:
        other = e.ModelRegistered("one", "svm", "", "", (), "", {}, {}, {})
        value = {
            "impossible": CODEC.encode(envelope(other)),
            "first": CODEC.encode(envelope(e.ModelDeleted())),
            "garbage": b"garbage",
        }[name]
        world.place(value)
        world.catch_up()
        done = world.submit(c.CreateVersion())
        await asyncio.wait([done], timeout=5)
        error = done.exception()
        assert isinstance(error, RegistryError) and "operator" in error.detail

    run()


@in_loop
async def test_a_second_command_with_the_key_of_one_that_is_under_way_is_refused(world: World) -> None:
    first = world.submit(registration(), "key", NAME)
    world.catch_up()
    world.submit(c.CreateVersion())  # makes the next two wait, so that one batch takes both
    again = [world.submit(c.CreateVersion(), "other") for _ in range(2)]
    world.catch_up()
    world.catch_up()
    assert first.result().event_type == "ModelRegistered"
    assert again[0].result().version == "v1.2"
    assert isinstance(again[1].exception(), CommandStillRunning)


@in_loop
async def test_a_key_whose_command_changed_nothing_is_remembered(world: World) -> None:
    world.submit(registration(), name=NAME)
    world.catch_up()
    nothing = await world.submit(c.RestoreModel(), "key")
    world.submit(c.ArchiveModel())
    world.catch_up()
    again = await world.submit(c.RestoreModel(), "key")
    assert (nothing.event_type, again.replayed, again.position) == (None, True, nothing.position)


@in_loop
async def test_a_rejection_says_as_of_where_it_holds(world: World) -> None:
    done = world.submit(c.ArchiveModel())
    await asyncio.wait([done], timeout=5)
    error = done.exception()
    assert isinstance(error, ModelNotFound) and error.position == "0:0"


@in_loop
async def test_a_discard_lets_a_parked_model_go_on_from_the_state_before(world: World) -> None:
    made = world.submit(registration(), name=NAME)
    world.catch_up()
    assert made.done()
    world.place(b"garbage")
    world.catch_up()
    refusals = {
        c.CreateVersion(): "model-parked",
        c.DiscardParkedRecords(" "): "invalid",
        c.DiscardParkedRecords("why", 2, 3): "parked-records-changed",
    }
    for command, code in refusals.items():
        done = world.submit(command)
        await asyncio.wait([done], timeout=5)
        assert getattr(done.exception(), "code", None) == code
    world.submit(c.ArchiveModel())  # makes the next three wait, so that one batch takes them
    discarded, then, twice = (
        world.submit(c.DiscardParkedRecords("nobody can read it", 2, 2), "key"),
        world.submit(c.CreateVersion()),
        world.submit(c.DiscardParkedRecords("again")),
    )
    await asyncio.sleep(0)
    while not twice.done():
        world.catch_up()
        await asyncio.sleep(0)
    assert (discarded.result().event_type, then.result().version) == ("ParkedRecordsDiscarded", "v1.1")
    assert getattr(twice.exception(), "code", None) == "nothing-parked"
    again = await world.submit(c.DiscardParkedRecords("nobody can read it", 2, 2), "key")
    assert (again.replayed, again.position) == (True, discarded.result().position)


@in_loop
async def test_what_a_record_overtakes_that_nobody_can_read_is_answered_with_what_is_known(world: World) -> None:
    world.submit(registration(), name=NAME)
    world.catch_up()
    update = world.submit(c.CreateVersion())
    sent = world.log.records.pop()
    world.place(b"garbage")
    world.log.records.append(sent)
    world.catch_up()
    assert getattr(update.exception(), "code", None) == "outcome-unknown"
    discard = world.submit(c.DiscardParkedRecords("why"))
    sent = world.log.records.pop()
    world.place(b"garbage")
    world.log.records.append(sent)
    world.catch_up()
    assert getattr(discard.exception(), "code", None) == "parked-records-changed"
    second = world.submit(c.DiscardParkedRecords("why"))
    world.catch_up()
    assert second.result().event_type == "ParkedRecordsDiscarded"
    assert world.partition.state is State.OWNING


@in_loop
async def test_each_event_is_later_than_the_one_before_though_the_clock_stands_or_another_owner_was_ahead(
    world: World,
) -> None:
    """The clock of the test stands still at 10**15; what another owner wrote is an hour later."""
    world.submit(registration(), name=NAME)
    world.submit(c.CreateVersion())
    world.catch_up()
    ahead = 10**15 + 3_600_000_000
    foreign = envelope(
        e.ModelDeleted(),
        sequence=3,
        previous_hash=world.partition.fold.head(MODEL_ID).hash,
        epoch=world.partition.fold.guard.epoch,
        occurred_at=ahead,
    )
    world.place(CODEC.encode(foreign))
    world.catch_up()
    world.submit(registration(), name=NAME)
    world.submit(c.CreateVersion())
    world.catch_up()
    own = [one.occurred_at for one in world.log.envelopes if not isinstance(one.event, OwnershipClaimed)]
    assert own == [10**15, 10**15 + 1, ahead + 1, ahead + 2]
