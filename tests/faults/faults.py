"""The faults: each does its harm with `inject` and takes it back with `heal`, both of which may be awaited for long.

`kind` groups what is the same fault on another process; `seconds` is how long it lasts. `limits`: how long the
registry may be without service for commands, or without new commands becoming visible, because of it.
"""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass

from tests.faults.service_processes import Service
from tests.faults.world import World


@dataclass(frozen=True, slots=True)
class Limits:
    """In seconds; None: no promise is made."""

    served: float | None = None
    visible: float | None = None


NO_LIMITS = Limits()


class Fault(ABC):
    def __init__(self, kind: str, target: str, seconds: float, limits: Limits = NO_LIMITS) -> None:
        self.kind = kind
        self.target = target
        self.seconds = seconds
        self.limits = limits

    @property
    def name(self) -> str:
        return f"{self.kind} {self.target}".strip()

    def skipped_because(self, world: World) -> str | None:
        """Why it can't be injected here; None if it can."""
        return None

    @abstractmethod
    async def inject(self, world: World) -> None: ...

    @abstractmethod
    async def heal(self, world: World) -> None: ...


class KillService(Fault):
    """kill -9; its supervisor starts it again at once."""

    def __init__(self, target: str, limits: Limits = NO_LIMITS) -> None:
        super().__init__("kill -9 of", target, 0.0, limits)

    async def inject(self, world: World) -> None:
        await self._service(world).kill()

    async def heal(self, world: World) -> None:
        self._service(world).start()

    def _service(self, world: World) -> Service:
        return world.services.by_name[self.target]


class StopService(KillService):
    """An orderly stop, as in a rolling update. With several command APIs it is a hand-over."""

    def __init__(self, target: str, limits: Limits = NO_LIMITS) -> None:
        super().__init__(target, limits)
        self.kind = "orderly stop of"

    async def inject(self, world: World) -> None:
        await self._service(world).stop()


class FreezeService(Fault):
    """SIGSTOP, and after a while SIGCONT: it wakes up and believes that nothing happened."""

    def __init__(self, target: str, seconds: float) -> None:
        super().__init__("freezing of", target, seconds)

    async def inject(self, world: World) -> None:
        world.services.by_name[self.target].send(signal.SIGSTOP)

    async def heal(self, world: World) -> None:
        world.services.by_name[self.target].send(signal.SIGCONT)


class KillServer(Fault):
    def __init__(self, target: str, seconds: float) -> None:
        super().__init__("kill -9 of", target, seconds)

    async def inject(self, world: World) -> None:
        await world.servers.kill(self.target)

    async def heal(self, world: World) -> None:
        await world.servers.revive(self.target)


class FreezeServer(Fault):
    def __init__(self, target: str, seconds: float) -> None:
        super().__init__("freezing of", target, seconds)

    async def inject(self, world: World) -> None:
        world.servers.send(self.target, signal.SIGSTOP)

    async def heal(self, world: World) -> None:
        world.servers.send(self.target, signal.SIGCONT)


class KillLeader(Fault):
    """kill -9 of the broker that leads a partition of the log."""

    def __init__(self, partition: int, seconds: float, limits: Limits = NO_LIMITS) -> None:
        super().__init__("kill -9 of the leader of", f"partition {partition}", seconds, limits)
        self._partition = partition
        self._broker = ""

    async def inject(self, world: World) -> None:
        self._broker = await world.servers.leader(world.place.topics.log, self._partition)
        await world.servers.kill(self._broker)

    async def heal(self, world: World) -> None:
        await world.servers.revive(self._broker)


class FreezeLeader(KillLeader):
    def __init__(self, partition: int, seconds: float) -> None:
        super().__init__(partition, seconds)
        self.kind = "freezing of the leader of"

    async def inject(self, world: World) -> None:
        self._broker = await world.servers.leader(world.place.topics.log, self._partition)
        world.servers.send(self._broker, signal.SIGSTOP)

    async def heal(self, world: World) -> None:
        world.servers.send(self._broker, signal.SIGCONT)


class KillMajority(Fault):
    """kill -9 of two of three brokers: no quorum of controllers, no two replicas in sync."""

    def __init__(self, survivor: int, seconds: float) -> None:
        super().__init__("kill -9 of two brokers, all but", f"kafka-{survivor}", seconds)
        self._victims = [f"kafka-{number}" for number in (1, 2, 3) if number != survivor]

    async def inject(self, world: World) -> None:
        await asyncio.gather(*map(world.servers.kill, self._victims))

    async def heal(self, world: World) -> None:
        await asyncio.gather(*map(world.servers.revive, self._victims))
