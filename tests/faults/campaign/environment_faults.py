"""Faults of what lies between and below the processes: the network, the disk, the consumer group."""

from __future__ import annotations

import asyncio
import threading

from confluent_kafka import Consumer

from tensorfleet.kafka import configuration
from tests.faults.campaign.faults import Fault
from tests.faults.world.world import World


class DelayLink(Fault):
    """Every packet between the services and a server comes a little later."""

    def __init__(self, target: str, seconds: float, delay_seconds: float) -> None:
        super().__init__("delaying of everything to and from", target, seconds)
        self._delay = delay_seconds

    @property
    def name(self) -> str:
        return f"{super().name} by {1000 * self._delay:.0f} ms"

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
