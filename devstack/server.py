"""A server as a child process: the contract each of the three fulfils, and the life of its process."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from devstack.commands import last_lines
from devstack.errors import PortTaken, ServerFailed
from devstack.ports import HOST, VARIABLES, is_free
from devstack.processes import Lifetime, ProcessIdentity, spawn, stop_process

POLL_SECONDS = 0.05
READY_SECONDS = 90.0
STOP_SECONDS = 30.0


class Server(Protocol):
    """What is particular to one of Kafka, MongoDB, MinIO. The process itself is ServerProcess's affair."""

    @property
    def name(self) -> str:
        """ "kafka", "mongodb" or "minio"."""

    def ports(self) -> Mapping[str, int]:
        """The ports it listens on, by their names in `devstack.ports.VARIABLES`."""

    def prepare(self) -> None:
        """Make files and folders. Called before each start; existing data stays."""

    def command(self) -> Sequence[str]:
        """The program and its arguments."""

    def environment(self) -> Mapping[str, str]:
        """Variables beyond our own environment."""

    def is_ready(self) -> bool:
        """Whether clients are served. Asked again and again from the start on; "not yet" is False."""


class ServerProcess:
    """One server's process, in this or an earlier run: the pid file in `directory` tells."""

    def __init__(self, server: Server, directory: Path, lifetime: Lifetime) -> None:
        self.server = server
        self.log = directory / "logs" / f"{server.name}.log"
        self._pid_file = directory / "pids" / f"{server.name}.json"
        self._directory = directory
        self._lifetime = lifetime
        self._child: subprocess.Popen[bytes] | None = None

    def running(self) -> ProcessIdentity | None:
        """The process, if it runs."""
        if self._child is not None:
            self._child.poll()  # takes a zombie away
        return ProcessIdentity.load(self._pid_file)

    def start(self) -> bool:
        """Start the server unless it runs, and wait until it is ready; True if it had to be started."""
        identity = self.running()
        if identity is not None:
            self._wait_until_ready(identity)
            return False
        self.require_free_ports()
        self.server.prepare()
        environment = {**os.environ, **self.server.environment()}
        self._child = spawn(self.server.command(), self.log, environment, self._directory, self._lifetime)
        identity = ProcessIdentity.of(self._child.pid)
        if identity is None:
            raise self._failed("ended at once")
        identity.save(self._pid_file)
        self._wait_until_ready(identity)
        return True

    def stop(self) -> None:
        """End the server gracefully; nothing happens if it does not run."""
        identity = self.running()
        if identity is not None:
            stop_process(identity, STOP_SECONDS)
        self._forget()

    def kill(self) -> None:
        """End the server with SIGKILL, as a power failure would, and wait until it is gone."""
        identity = self.running()
        if identity is not None:
            identity.end(signal.SIGKILL, patience=10)
        self._forget()

    def require_free_ports(self) -> None:
        """Raises PortTaken, naming the variable to set."""
        for field, port in self.server.ports().items():
            if not is_free(port):
                raise PortTaken(port_taken(self.server.name, port, VARIABLES[field]))

    def _forget(self) -> None:
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._pid_file.unlink(missing_ok=True)

    def _wait_until_ready(self, identity: ProcessIdentity) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.server.is_ready():
            if not identity.is_alive():
                raise self._failed("ended while starting")
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready after {READY_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _failed(self, what: str) -> ServerFailed:
        return ServerFailed(f"{self.server.name} {what}. The end of {self.log}:\n{last_lines(self.log, 15)}")


def port_taken(who: str, port: int, variable: str) -> str:
    """The sentence for a port that a stranger uses."""
    return (
        f"{who} needs {HOST}:{port}, but another program listens there. "
        f"Stop that program, or choose another port: {variable}={port + 100} make up"
    )
