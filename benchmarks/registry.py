"""Registry processes of one benchmark: real ones, on free ports, with a registry id and a database of their own."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from devstack.ports import HOST
from devstack.processes import Lifetime, ProcessIdentity, spawn, stop_process
from devstack.services import REPOSITORY, registry_settings, service_command, service_environment
from devstack.stack import NativeStack

_READY_SECONDS = 60.0
ALL = ("gateway", "projector", "publisher")


class Registry:
    """A context manager: inside, the named services run and are ready. What follows a dot tells instances apart.

    `settings` are of all services, `own` of single ones.
    """

    def __init__(
        self,
        stack: NativeStack,
        name: str,
        services: Sequence[str] = ALL,
        ready_seconds: float = _READY_SECONDS,
        settings: Mapping[str, str] | None = None,
        own: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.id = f"bench-{name}"
        self.database = f"bench_{name.replace('-', '_')}"
        self._services = services
        self._own = own or {}
        self._ready_seconds = ready_seconds
        self._logs = stack.directory / "logs" / name
        self._settings = {
            **registry_settings(stack),
            "REGISTRY_ID": self.id,
            "MONGODB_DB": self.database,
            "MINIO_BUCKET": self.id,
            "MAX_FILE_SIZE": "2GB",
            "LOG_LEVEL": "WARNING",
            **(settings or {}),
        }
        self.ports: dict[str, int] = {}
        self.pids: dict[str, int] = {}

    def __enter__(self) -> Self:
        try:
            for service in self._services:
                self._start(service)
                self._await_ready(service)  # one by one: whoever is first makes the topics
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def environment(self) -> dict[str, str]:
        """For a command that works on this registry."""
        return service_environment(self._settings)

    def memory(self, service: str, field: str) -> int:
        """A size from the kernel's account of the process, in bytes: VmRSS is now, VmHWM the highest so far."""
        lines = Path(f"/proc/{self.pids[service]}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))

    def _start(self, service: str) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = self.ports[service] = probe.getsockname()[1]
        environment = service_environment({**self._settings, **self._own.get(service, {}), "PORT": str(port)})
        log = self._logs / f"{service}.log"
        command = service_command(service.partition(".")[0])
        process = spawn(command, log, environment, REPOSITORY, Lifetime.KILLED_WITH_PARENT)
        self.pids[service] = process.pid

    def _await_ready(self, service: str) -> None:
        url, deadline = f"http://{HOST}:{self.ports[service]}/health/ready", time.monotonic() + self._ready_seconds
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    return
            except OSError:
                if ProcessIdentity.of(self.pids[service]) is None:
                    break
                time.sleep(0.1)
        raise TimeoutError(f"{service} is not ready:\n{(self._logs / f'{service}.log').read_text()[-2000:]}")

    def _stop(self) -> None:
        for pid in self.pids.values():
            identity = ProcessIdentity.of(pid)
            if identity is not None:
                stop_process(identity, patience=15)
