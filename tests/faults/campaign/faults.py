"""The faults: each does its harm with `inject` and takes it back with `heal`, both of which may be awaited for long.

`kind` groups what is the same fault on another process; `seconds` is how long it lasts. `limits`: how long the
registry may be without service for commands, or without new commands becoming visible, because of it.
"""

from __future__ import annotations

import asyncio
import signal
from abc import ABC, abstractmethod
from dataclasses import dataclass

from tests.faults.world.service_processes import Service
from tests.faults.world.world import World


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


class ServiceFault(Fault):
    """Strikes one instance of a service: a named one, or whichever owns a partition when it strikes."""

    def __init__(self, kind: str, target: str | Owner, seconds: float, limits: Limits = NO_LIMITS) -> None:
        super().__init__(kind, str(target), seconds, limits)
        self._of = target
        self._struck: Service | None = None

    async def inject(self, world: World) -> None:
        name = self._of.name(world) if isinstance(self._of, Owner) else self._of
        self._struck = world.services.by_name[name]
        await self.strike(self._struck)

    async def heal(self, world: World) -> None:
        if self._struck is not None:
            await self.mend(self._struck)

    @abstractmethod
    async def strike(self, service: Service) -> None: ...

    @abstractmethod
    async def mend(self, service: Service) -> None: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Of a partition: the command API that claimed it last."""

    partition: int

    def __str__(self) -> str:
        return f"the owner of partition {self.partition}"

    def name(self, world: World) -> str:
        url = world.watch.owners[self.partition]
        return next(one.name for one in world.services.by_name.values() if url.endswith(f":{one.port}"))


class KillService(ServiceFault):
    """kill -9; its supervisor starts it again at once."""

    def __init__(self, target: str | Owner, limits: Limits = NO_LIMITS) -> None:
        super().__init__("kill -9 of", target, 0.0, limits)

    async def strike(self, service: Service) -> None:
        await service.kill()

    async def mend(self, service: Service) -> None:
        service.start()


class StopService(ServiceFault):
    """An orderly stop, as in a rolling update. With several command APIs it is a hand-over."""

    def __init__(self, target: str | Owner, limits: Limits = NO_LIMITS) -> None:
        super().__init__("orderly stop of", target, 0.0, limits)

    async def strike(self, service: Service) -> None:
        await service.stop()

    async def mend(self, service: Service) -> None:
        service.start()


class FreezeService(ServiceFault):
    """SIGSTOP, and after a while SIGCONT: it wakes up and believes that nothing happened."""

    def __init__(self, target: str | Owner, seconds: float) -> None:
        super().__init__("freezing of", target, seconds)

    async def strike(self, service: Service) -> None:
        service.send(signal.SIGSTOP)

    async def mend(self, service: Service) -> None:
        service.send(signal.SIGCONT)


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
