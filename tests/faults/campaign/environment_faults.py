"""Faults of what lies between and below the processes: the network, the disk, the clock, the consumer group."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

from confluent_kafka import Consumer

from tensorfleet.kafka import configuration
from tests.faults.campaign.faults import Fault
from tests.faults.world.world import World

_LIBFAKETIME = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
)


class DelayLink(Fault):
    """Every packet between the services and a server comes a little later."""

    def __init__(self, target: str, seconds: float, delay_seconds: float) -> None:
        super().__init__(f"a delay of {1000 * delay_seconds:.0f} ms before", target, seconds)
        self._delay = delay_seconds

    async def inject(self, world: World) -> None:
        world.servers.links[self.target].delay(self._delay)

    async def heal(self, world: World) -> None:
        world.servers.links[self.target].mend()


class CutLink(Fault):
    """Connections to a server are reset, again and again."""

    def __init__(self, target: str, seconds: float) -> None:
        super().__init__("cutting of connections to", target, seconds)

    async def inject(self, world: World) -> None:
        world.servers.links[self.target].cut()

    async def heal(self, world: World) -> None:
        world.servers.links[self.target].mend()


class HoldLink(Fault):
    """Nothing comes through, and at the end all of it, late."""

    def __init__(self, target: str, seconds: float) -> None:
        super().__init__("holding back of everything to and from", target, seconds)

    async def inject(self, world: World) -> None:
        world.servers.links[self.target].hold_back()

    async def heal(self, world: World) -> None:
        world.servers.links[self.target].mend()


class HalfOpenLink(HoldLink):
    """Nothing comes through, though connections seem open; at the end they are reset."""

    def __init__(self, target: str, seconds: float) -> None:
        super().__init__(target, seconds)
        self.kind = "half-opening of connections to"

    async def heal(self, world: World) -> None:
        world.servers.links[self.target].mend(lose_connections=True)


class FullDisk(Fault):
    """Not one more byte fits where MinIO keeps its data."""

    def __init__(self, seconds: float) -> None:
        super().__init__("full disk of", "minio", seconds)

    def skipped_because(self, world: World) -> str | None:
        return None if world.disk else "mounting a tmpfs is not permitted here: it needs root"

    async def inject(self, world: World) -> None:
        assert world.disk is not None
        await asyncio.to_thread(world.disk.fill)

    async def heal(self, world: World) -> None:
        assert world.disk is not None
        await asyncio.to_thread(world.disk.empty)


class WrongClock(Fault):
    """One process is started again with a clock that is off, and again with the right one."""

    def __init__(self, target: str, seconds: float, offset: str) -> None:
        super().__init__(f"a clock {offset} off for", target, seconds)
        self._offset = offset

    def skipped_because(self, world: World) -> str | None:
        return None if libfaketime() else "libfaketime is missing (Debian: apt-get install libfaketime)"

    async def inject(self, world: World) -> None:
        """The monotonic clock stays right: time-outs are no matter of the date."""
        library = str(libfaketime())
        faked = {"LD_PRELOAD": library, "FAKETIME": self._offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        await self._restart(world, faked)

    async def heal(self, world: World) -> None:
        await self._restart(world, {})

    async def _restart(self, world: World, overrides: dict[str, str]) -> None:
        service = world.services.by_name[self.target]
        await service.stop()
        service.overrides = overrides
        service.start()


def libfaketime() -> Path | None:
    """LIBFAKETIME names it where it is not in one of the usual places."""
    places = [os.environ["LIBFAKETIME"]] if "LIBFAKETIME" in os.environ else _LIBFAKETIME
    return next((path for path in map(Path, places) if path.exists()), None)


class RebalanceStorm(Fault):
    """Another member joins the group of a service and leaves it again, without pause, and does nothing else."""

    def __init__(self, group: str, seconds: float) -> None:
        super().__init__("rebalance storm in the group of the", group, seconds)
        self._stopping = threading.Event()
        self._storm: asyncio.Task[None] | None = None

    async def inject(self, world: World) -> None:
        self._stopping.clear()
        self._storm = asyncio.create_task(asyncio.to_thread(self._join_and_leave, world))

    async def heal(self, world: World) -> None:
        self._stopping.set()
        if self._storm is not None:
            await self._storm

    def _join_and_leave(self, world: World) -> None:
        place = world.place
        topics = [place.topics.log, *([place.topics.downloads] if self.target == "projector" else [])]
        kafka = {"bootstrap.servers": place.bootstrap}
        config = configuration.member(kafka, "fault-storm", place.topics.group(self.target))
        while not self._stopping.is_set():
            consumer = Consumer(config)
            consumer.subscribe(topics)
            for _ in range(8):
                consumer.poll(0.1)
            consumer.close()
