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
