"""How far the read models are behind the log that this instance has folded."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from services.command_api.bus import CommandBus

_STALLED_SECONDS = 30.0
_SAMPLE_SECONDS = 1.0


class ProjectionProgress(Protocol):
    def next_offset(self, partition: int) -> int: ...


class ProjectionLag:
    """`seconds` is the age of the oldest sample of the log's ends that the read models do not contain."""

    def __init__(self, bus: CommandBus, progress: ProjectionProgress) -> None:
        self._bus = bus
        self._progress = progress
        self._samples: deque[tuple[float, Mapping[int, int]]] = deque()

    async def run(self) -> None:
        """Take a sample each second, for ever."""
        while True:
            self.sample(time.monotonic())
            await asyncio.sleep(_SAMPLE_SECONDS)

    def sample(self, now: float) -> None:
        while self._samples and not self._behind(self._samples[0][1]):
            self._samples.popleft()
        ends = {one.number: one.fold.next_offset for one in self._bus.partitions}
        if self._behind(ends):
            self._samples.append((now, ends))

    @property
    def events(self) -> int:
        return self._behind({one.number: one.fold.next_offset for one in self._bus.partitions})

    def seconds(self, now: float) -> float:
        for taken, ends in self._samples:
            if self._behind(ends):
                return round(now - taken, 3)
        return 0.0

    async def check(self) -> str | None:
        seconds = self.seconds(time.monotonic())
        if seconds > _STALLED_SECONDS:
            return f"{self.events} events of the log are not projected, the oldest for {seconds:.0f} s now"
        return None

    def _behind(self, ends: Mapping[int, int]) -> int:
        return sum(max(0, end - self._progress.next_offset(number)) for number, end in ends.items())
