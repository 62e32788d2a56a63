"""`up`, `down`, `status`, `logs` and `reset` without a Docker engine."""

import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from devstack.errors import PortTaken
from devstack.ports import HOST, Ports, is_free
from devstack.processes import Lifetime, ProcessIdentity, spawn, stop_process
from devstack.readiness import READY, wait_until_ready, what_is_missing
from devstack.server import port_taken
from devstack.services import (
    REPOSITORY,
    VARIABLES,
    ServicePorts,
    registry_settings,
    service_environment,
)
from devstack.stack import NativeStack
from devstack.supervisor import failures_file

SUPERVISOR_PATIENCE = 70.0
SERVICE_PATIENCE = 20.0


class NativeInstallation:
    """The running stack of one clone, with everything it keeps in `directory`.

    What it is made of is read from pid files each time, so it does not matter which process started what, or whether
    the machine was switched off in between.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        wanted = Ports.from_environment(), ServicePorts.from_environment()
        running = self._ports_in_use() if self.is_running() else None
        self.keeps_other_ports = running is not None and running != wanted
        self._ports, self._services = running or wanted
        self._stack = NativeStack(directory, self._ports, lifetime=Lifetime.DETACHED)

    @property
    def port(self) -> int:
        """Where the registry answers."""
        return self._services.gateway

    def is_running(self) -> bool:
        """Whether any of our processes runs."""
        return any(ProcessIdentity.load(path) for path in (self._directory / "pids").glob("*.json"))

    def up(self) -> None:
        """Start what does not run and wait until the registry is ready."""
        with self._alone():
            if self.keeps_other_ports:
                print("It is running on other ports than those asked for, and stays there. To move it: make down")
            supervisor = self._process("supervisor")
            if supervisor is None:
                self._end_services()
                self._require_free_service_ports()
            self._remember_ports()
            started = self._stack.start()
            for name in self._stack.processes:
                print(f"{name}: {'started' if name in started else 'already running'}", flush=True)
            failures_file(self._directory).unlink(missing_ok=True)
            if supervisor is None:
                self._start_supervisor()
            else:
                supervisor.send(signal.SIGHUP)  # what keeps failing is tried again at once
            print(f"registry: {'started' if supervisor is None else 'already running'}", flush=True)
        wait_until_ready(self._directory, self._services.by_name(), lambda: self._process("supervisor") is not None)

    def down(self) -> None:
        """Stop the registry, then the servers, so that nobody loses what it writes to."""
        if not self.is_running():
            print("nothing is running")
            return
        with self._alone():
            supervisor = self._process("supervisor")
            if supervisor is not None:
                stop_process(supervisor, SUPERVISOR_PATIENCE)
            self._end_services()
            print("registry: stopped", flush=True)
            self._stack.stop()
            print("kafka, mongodb, minio: stopped; their data stays")

    def status(self) -> None:
        """One line per process."""
        ports = {**self._stack_ports(), **self._services.by_name()}
        for name, port in ports.items():
            process = self._process(name)
            state = f"running, pid {process.pid}, {_duration(process)}" if process else "not running"
            print(f"{name:10} 127.0.0.1:{port:<6} {state}")
        missing = what_is_missing(self._services.by_name()) if self._process("supervisor") else "not running"
        print(f"{'registry':10} {'ready' if missing == READY else missing}")

    def logs(self, names: list[str]) -> None:
        """Become `tail`, following the logs."""
        folder = self._directory / "logs"
        files = [str(folder / f"{name}.log") for name in names] or [str(path) for path in sorted(folder.glob("*.log"))]
        if not files:
            print("no logs yet: make up")
            return
        os.execvp("tail", ["tail", "-n", "20", "-F", *files])

    def reset(self) -> None:
        """Stop everything and delete all data."""
        self.down()
        shutil.rmtree(self._directory, ignore_errors=True)
        print("all data is deleted")

    def _start_supervisor(self) -> None:
        settings = {**registry_settings(self._stack), "REGISTRY_URL": f"http://{HOST}:{self.port}"}
        self._write_settings(settings)
        pairs = [f"{name}={port}" for name, port in self._services.by_name().items()]
        argv = [sys.executable, "-m", "devstack.supervisor", str(self._directory), *pairs]
        log = self._directory / "logs" / "supervisor.log"
        child = spawn(argv, log, service_environment(settings), REPOSITORY, Lifetime.DETACHED)
        identity = ProcessIdentity.of(child.pid)
        if identity is not None:
            identity.save(self._pid_file("supervisor"))

    def _end_services(self) -> None:
        """Those of a supervisor that is no more may still be ending."""
        for name in self._services.by_name():
            process = self._process(name)
            if process is not None:
                stop_process(process, SERVICE_PATIENCE)

    def _require_free_service_ports(self) -> None:
        for name, port in self._services.by_name().items():
            if not is_free(port):
                raise PortTaken(port_taken(f"the registry ({name})", port, VARIABLES[name]))

    def _process(self, name: str) -> ProcessIdentity | None:
        return ProcessIdentity.load(self._pid_file(name))

    def _pid_file(self, name: str) -> Path:
        return self._directory / "pids" / f"{name}.json"

    def _stack_ports(self) -> dict[str, int]:
        return {"kafka": self._ports.kafka, "mongodb": self._ports.mongodb, "minio": self._ports.minio}

    def _remember_ports(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        ports = {"servers": asdict(self._ports), "services": asdict(self._services)}
        (self._directory / "ports.json").write_text(json.dumps(ports))

    def _ports_in_use(self) -> tuple[Ports, ServicePorts]:
        ports = json.loads((self._directory / "ports.json").read_text())
        return Ports(**ports["servers"]), ServicePorts(**ports["services"])

    def _write_settings(self, settings: dict[str, str]) -> None:
        """For people who run a registry process by hand: `set -a; . .run/registry.env`."""
        path = self._directory / "registry.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{key}='{value}'\n" for key, value in settings.items()))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two `make up` at the same moment take turns."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def _duration(process: ProcessIdentity) -> str:
    minutes, seconds = divmod(int(process.uptime_seconds()), 60)
    return f"up {minutes} min {seconds} s"
