"""Readers over a switch of generations, on the real MongoDB: never back in time, never less than was promised."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tensorfleet.cancellation import cancel_all
from tensorfleet.events.envelope import Position
from tensorfleet.mongo import live_generation
from tensorfleet.mongo.checkpoint_watch import CheckpointWatch
from tensorfleet.mongo.generations import EVERYONE_KNOWS_SECONDS, Generations
from tensorfleet.mongo.live_generation import LiveGeneration
from tensorfleet.mongo.read_models import ReadModels, connect

MODEL = "m"
WITHIN = 10.0


class World:
    """Two generations, each with one model whose `sequence` is the checkpoint that it was written with."""

    def __init__(self, url: str) -> None:
        self.client = connect(url)
        self.home = f"t{uuid.uuid4().hex}"
        self.next = f"{self.home}__1"
        self.live = LiveGeneration(self.client, self.home)
        self.reads = ReadModels(self.live)
        self.watch = CheckpointWatch(self.live)

    async def write(self, database: str, offset: int) -> None:
        checkpoint = {"$set": {"next_offset": offset}}
        await self.client[database].models.update_one({"_id": MODEL}, {"$set": {"sequence": offset}}, upsert=True)
        await self.client[database].checkpoints.update_one({"_id": "log:0"}, checkpoint, upsert=True)

    async def switch(self, number: int = 1, *, back: bool = False) -> None:
        to = Generations(self.home, self.next) if back else Generations(self.next, self.home)
        members = {**to.members, "number": number}
        await self.client[self.home].generations.replace_one({"_id": "live"}, members, upsert=True)

    async def sequence(self) -> int:
        found = await self.reads.one("models", MODEL)
        assert found is not None
        return int(found["sequence"])

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WITHIN):
            while not await condition():
                await asyncio.sleep(0)

    async def noticed(self) -> None:
        """Both generations are known to be read by someone."""
        async with asyncio.timeout(WITHIN):
            while len(self.live.databases) < 2:
                await self.live.databases_other_than(self.live.databases)

    async def asked_again(self) -> None:
        """It has looked once more, from first to last, whether it may move."""
        before = self.checks
        await self.until(self._checked(before + 2))

    def _checked(self, wanted: int) -> Callable[[], Awaitable[bool]]:
        async def enough() -> bool:
            return self.checks >= wanted

        return enough

    checks = 0


@asynccontextmanager
async def a_world(url: str) -> AsyncIterator[World]:
    world = World(url)
    contains = world.live._contains_what_was_shown

    async def counted(generation: str) -> bool:
        result = await contains(generation)
        world.checks += 1
        return result

    world.live._contains_what_was_shown = counted  # type: ignore[method-assign]
    await world.write(world.home, 10)
    running = [asyncio.create_task(one) for one in (world.live.run(), world.watch.run())]
    try:
        yield world
    finally:
        await cancel_all(running)
        for name in (world.home, world.next):
            await world.client.drop_database(name)
        await world.client.close()


def run(test: Callable[[World], Awaitable[None]], url: str) -> None:
    async def whole() -> None:
        async with a_world(url) as world, asyncio.timeout(3 * WITHIN):
            await test(world)

    asyncio.run(whole())


def test_readers_stay_until_the_new_generation_has_what_they_have_shown(mongodb_url: str) -> None:
    async def test(world: World) -> None:
        assert await world.sequence() == 10
        await world.write(world.next, 9)
        await world.switch()
        await world.noticed()
        await world.asked_again()
        assert await world.sequence() == 10
        await world.write(world.home, 11)
        await world.write(world.next, 10)
        await world.asked_again()
        assert await world.sequence() == 11
        await world.write(world.next, 12)
        await world.until(lambda: _equals(world.sequence(), 12))

    run(test, mongodb_url)


def test_no_reader_moves_before_everyone_can_know_of_the_switch(mongodb_url: str) -> None:
    """Else a process that waits for positions would still look at the old generation alone."""

    async def test(world: World) -> None:
        await world.sequence()
        await world.write(world.next, 10)
        await world.switch()
        began = time.monotonic()
        await world.until(lambda: _equals(world.live.read(_name), world.next))
        assert time.monotonic() - began > EVERYONE_KNOWS_SECONDS
        assert set(world.live.databases) == {world.home, world.next}

    run(test, mongodb_url)


def test_a_read_under_way_while_the_generation_changes_answers_from_the_new_one(mongodb_url: str) -> None:
    async def test(world: World) -> None:
        began, go_on, asked = asyncio.Event(), asyncio.Event(), list[str]()

        async def slow(database: Any) -> str:
            asked.append(database.name)
            began.set()
            await go_on.wait()
            return str(database.name)

        reading = asyncio.create_task(world.live.read(slow))
        await began.wait()
        await world.write(world.next, 10)
        await world.switch()
        await world.until(lambda: _equals(world.live.read(_name), world.next))
        go_on.set()
        assert (await reading, asked) == (world.next, [world.home, world.next])

    run(test, mongodb_url)


def test_no_answer_leaves_while_it_is_decided_whether_to_move(mongodb_url: str) -> None:
    """Else an answer could show what was written to the old generation after it was compared with the new one."""

    async def test(world: World) -> None:
        await world.sequence()
        deciding, decide = asyncio.Event(), asyncio.Event()
        contains, calls = world.live._contains_what_was_shown, 0

        async def held(generation: str) -> bool:
            nonlocal calls
            calls += 1
            result = await contains(generation)
            if calls == 2:
                deciding.set()
                await decide.wait()
            return result

        world.live._contains_what_was_shown = held  # type: ignore[method-assign]
        await world.write(world.next, 10)
        await world.switch()
        await deciding.wait()
        await world.write(world.home, 11)
        reading = asyncio.create_task(world.sequence())
        assert (await asyncio.wait({reading}, timeout=0.3))[0] == set()
        decide.set()
        assert await reading == 10

    run(test, mongodb_url)


def test_a_wait_ends_when_both_generations_have_the_position(mongodb_url: str) -> None:
    """Another process may still read the old one."""

    async def test(world: World) -> None:
        assert await world.watch.wait(Position(0, 9), WITHIN)
        await world.write(world.next, 10)
        await world.switch()
        await world.noticed()
        await world.write(world.next, 11)
        assert not await world.watch.wait(Position(0, 10), 0.3)
        waiting = asyncio.create_task(world.watch.wait(Position(0, 10), WITHIN))
        await world.write(world.home, 11)
        assert await waiting

    run(test, mongodb_url)


def test_a_wait_that_began_on_the_old_generation_ends_with_the_new_one(mongodb_url: str) -> None:
    async def test(world: World) -> None:
        assert await world.watch.wait(Position(0, 9), WITHIN)
        waiting = asyncio.create_task(world.watch.wait(Position(0, 10), WITHIN))
        await world.write(world.next, 11)
        await world.switch()
        assert await waiting, "the old one stands still, and nobody reads it any more"
        assert world.live.databases == (world.next,)

    run(test, mongodb_url)


def test_a_switch_back_before_the_move_changes_nothing(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_generation, "READERS_MOVED_SECONDS", 0.1)

    async def test(world: World) -> None:
        assert await world.sequence() == 10
        await world.write(world.next, 9)
        await world.switch()
        await world.noticed()
        await world.switch(2, back=True)
        await world.live.databases_other_than((world.home, world.next))
        assert (world.live.databases, await world.sequence()) == ((world.home,), 10)

    run(test, mongodb_url)


async def _name(database: Any) -> str:
    return str(database.name)


async def _equals(found: Awaitable[Any], wanted: Any) -> bool:
    return bool(await found == wanted)
