"""How far the read models are: lag while there is always something to do, and waits that leave nothing behind."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from services.command_api.health import ProjectionLag
from tensorfleet.events.envelope import Position
from tensorfleet.mongo.checkpoint_watch import CheckpointWatch


class Progress:
    def __init__(self) -> None:
        self.fold = SimpleNamespace(next_offset=0)
        self.projected = 0

    def next_offset(self, partition: int) -> int:
        return self.projected

    def lag(self) -> ProjectionLag:
        bus: Any = SimpleNamespace(partitions=[SimpleNamespace(number=0, fold=self.fold)])
        return ProjectionLag(bus, self)


def test_the_lag_is_the_age_of_what_is_not_projected() -> None:
    progress = Progress()
    lag = progress.lag()
    for second in range(100):  # always three events behind, and never for more than a second
        progress.fold.next_offset += 3
        lag.sample(float(second))
        progress.projected = progress.fold.next_offset - 3
        assert lag.events == 3
        assert lag.seconds(second + 0.5) <= 1.5
    for second in range(100, 140):  # nothing is projected any more
        progress.fold.next_offset += 3
        lag.sample(float(second))
    assert 39 <= lag.seconds(140.0) <= 41
    progress.projected = progress.fold.next_offset
    assert lag.seconds(141.0) == 0


def test_a_wait_that_was_given_up_leaves_nothing_behind() -> None:
    async def run() -> None:
        watch = CheckpointWatch(SimpleNamespace())  # type: ignore[arg-type]
        waits = [watch.wait(Position(0, 10 + number % 7), 0.01) for number in range(200)]
        assert not any(await asyncio.gather(*waits))
        assert not any(watch._waiting.values())

    asyncio.run(run())


def test_a_wait_may_be_given_up_at_the_moment_at_which_its_position_is_reached() -> None:
    async def run() -> None:
        watch = CheckpointWatch(SimpleNamespace())  # type: ignore[arg-type]
        waiting = asyncio.create_task(watch.wait(Position(0, 10), 5))
        await asyncio.sleep(0)
        watch._waiting[0][0][2].cancel()  # as its time-out does, one turn of the loop before the wait ends
        watch._next = {"live": {}}
        watch._advance("live", {"_id": "log:0", "next_offset": 11})
        await asyncio.wait({waiting})
        assert waiting.cancelled()

    asyncio.run(run())
