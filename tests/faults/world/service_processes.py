"""The registry's services as child processes that are started again whenever they end, as a supervisor would."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.commands import last_lines
from devstack.ports import HOST
from devstack.processes import Lifetime, ProcessIdentity, spawn
from devstack.services import REPOSITORY, service_command
from tests.faults.load.http_client import HttpClient, NoAnswer

UP_SECONDS = 90.0
_RESTART_SECONDS = 0.5
_POLL_SECONDS = 0.05
_READY_POLL_SECONDS = 0.3


class NotReady(Exception):
    """A service does not say in time that it can serve."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A service that ended though nobody asked it to: `status` as subprocess gives it, `said` its last lines."""

    name: str
    status: int
    said: str


class Service:
    """One instance, `command_api-2` say, on its own port; `overrides` change its environment at the next start."""

    def __init__(self, name: str, port: int, environment: Mapping[str, str], logs: Path) -> None:
        self.name = name
        self.port = port
        self.log = logs / f"{name}.log"
        self.overrides: dict[str, str] = {}
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None
        self._client = HttpClient(port)
        self.wanted = False

    @property
    def kind(self) -> str:
        return self.name.partition("-")[0]

    def start(self) -> None:
        self.wanted = True
        url = f"http://{HOST}:{self.port}"
        own = {"PORT": str(self.port), "ADVERTISED_URL": url}
        environment = {**self._environment, **own, **self.overrides}
        command = service_command(self.kind)
        self._child = spawn(command, self.log, environment, REPOSITORY, Lifetime.KILLED_WITH_PARENT)

    def send(self, number: signal.Signals) -> None:
        identity = ProcessIdentity.of(self._child.pid) if self._child else None
        if identity is not None:
            identity.send(number)

    async def kill(self) -> None:
        """With SIGKILL, and gone when this returns. It stays down until it is started."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        self.wanted = False
        child, self._child = self._child, None
        if child is None:
            return
        identity = ProcessIdentity.of(child.pid)
        if identity is not None and not await asyncio.to_thread(identity.end, number, 20.0):
            await asyncio.to_thread(identity.end, signal.SIGKILL, 10.0)
        await asyncio.to_thread(child.wait)

    def ended(self) -> Ended | None:
        """What became of it, if it has ended by itself."""
        if not self.wanted or self._child is None or self._child.poll() is None:
            return None
        return Ended(self.name, self._child.returncode, last_lines(self.log, 12))

    async def is_ready(self) -> bool:
        """Whether it says that it can serve. Whether it does, the load finds out."""
        try:
            return (await self._client.request("GET", "/health/ready", seconds=5.0)).status == 200
        except NoAnswer:
            return False


class Services:
    """All instances, by name, and the supervisor that starts again what has ended."""

    def __init__(self, instances: list[Service]) -> None:
        self.by_name = {one.name: one for one in instances}
        self.ended: list[Ended] = []
        self._supervising: asyncio.Task[None] | None = None

    def of_kind(self, kind: str) -> list[Service]:
        return [one for one in self.by_name.values() if one.kind == kind]

    async def start(self) -> None:
        for one in self.by_name.values():
            one.start()
        await self.until_ready(UP_SECONDS)
        self._supervising = asyncio.create_task(self._supervise())

    async def until_ready(self, seconds: float) -> None:
        """NotReady if one of them is not in time."""
        deadline = time.monotonic() + seconds
        for one in self.by_name.values():
            while not await one.is_ready():
                if time.monotonic() > deadline:
                    raise NotReady(f"{one.name} is not ready after {seconds:g} s:\n{last_lines(one.log, 20)}")
                await asyncio.sleep(_READY_POLL_SECONDS)

    async def stop(self) -> None:
        if self._supervising is not None:
            self._supervising.cancel()
        await asyncio.gather(*(one.kill() for one in self.by_name.values()))

    async def _supervise(self) -> None:
        while True:
            for one in self.by_name.values():
                if (ended := one.ended()) is not None:
                    self.ended.append(ended)
                    await asyncio.sleep(_RESTART_SECONDS)
                    if one.wanted:
                        one.start()
            await asyncio.sleep(_POLL_SECONDS)
