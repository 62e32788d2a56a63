"""How far the read models are behind the log that this instance has folded."""

from __future__ import annotations

import time
from typing import Protocol

from services.command_api.bus import CommandBus

_STALLED_SECONDS = 30.0


class ProjectionProgress(Protocol):
    def next_offset(self, partition: int) -> int: ...


class ProjectionLag:
    """`seconds` counts from when the read models were last seen to contain everything."""

    def __init__(self, bus: CommandBus, progress: ProjectionProgress) -> None:
        self._bus = bus
        self._progress = progress
        self._level_at = time.monotonic()

    @property
    def events(self) -> int:
        behind = (one.fold.next_offset - self._progress.next_offset(one.number) for one in self._bus.partitions)
        return sum(max(0, number) for number in behind)

    @property
    def seconds(self) -> float:
        if self.events == 0:
            self._level_at = time.monotonic()
        return round(time.monotonic() - self._level_at, 3)

    async def check(self) -> str | None:
        if self.seconds > _STALLED_SECONDS:
            return f"{self.events} events of the log are not projected, for {self.seconds:.0f} s now"
        return None
