"""Keeps the registry's processes running: `python -m devstack.supervisor DIRECTORY NAME=PORT...`.

An unexpected error ends a registry process, by design; this starts it again, after a pause that grows while it keeps
failing. The processes end when the supervisor does, even by SIGKILL.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from devstack.processes import Lifetime, ProcessIdentity, spawn, stop_process
from devstack.services import REPOSITORY, service_command

SHORTEST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
HEALTHY_SECONDS = 30.0  # who ran this long has started well: the next pause is short again
PATIENCE_SECONDS = 20.0
POLL_SECONDS = 0.1


@dataclass
class Service:
    """One process and how it has fared."""

    name: str
    port: int
    directory: Path
    child: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    pause: float = SHORTEST_PAUSE
    failures: int = 0
    last_exit: int | None = None

    def keep_running(self, now: float) -> bool:
        """Start it when it is due, notice when it ended; True if anything changed."""
        if self.child is None:
            if now < self.start_again_at:
                return False
            self._start(now)
            return True
        self.last_exit = self.child.poll()
        if self.last_exit is None:
            return False
        self.child = None
        self._schedule(now)
        return True

    def forgive(self) -> None:
        """Forget the failures so far: a person mended something, so start it now."""
        self.failures, self.pause, self.start_again_at = 0, SHORTEST_PAUSE, 0.0

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        if self.child is None:
            return
        identity = ProcessIdentity.of(self.child.pid)
        if identity is not None:
            stop_process(identity, PATIENCE_SECONDS)
        self.child.wait()
        self.child = None

    def _start(self, now: float) -> None:
        environment = {**os.environ, "PORT": str(self.port)}
        log = self.directory / "logs" / f"{self.name}.log"
        self.child = spawn(service_command(self.name), log, environment, REPOSITORY, Lifetime.ENDED_WITH_PARENT)
        self.started_at = now
        identity = ProcessIdentity.of(self.child.pid)
        if identity is not None:
            identity.save(self.directory / "pids" / f"{self.name}.json")
        _say(f"{self.name}: started, pid {self.child.pid}")

    def _schedule(self, now: float) -> None:
        ran_for = now - self.started_at
        if ran_for > HEALTHY_SECONDS:
            self.pause, self.failures = SHORTEST_PAUSE, 0
        self.failures += 1
        self.start_again_at = now + self.pause
        _say(f"{self.name}: ended with code {self.last_exit} after {ran_for:.1f} s, again in {self.pause} s")
        self.pause = min(self.pause * 2, LONGEST_PAUSE)


def failures_file(directory: Path) -> Path:
    """How often each process ended since it last ran well, as JSON: `up` gives up on one that keeps failing."""
    return directory / "failures.json"


def supervise(services: list[Service], directory: Path, stopping: threading.Event, forgiving: threading.Event) -> None:
    """Until told to stop."""
    while not stopping.wait(POLL_SECONDS):
        if forgiving.is_set():
            forgiving.clear()
            for service in services:
                service.forgive()
        changed = [service.keep_running(time.monotonic()) for service in services]
        if any(changed):
            fresh = failures_file(directory).with_suffix(".partial")
            fresh.write_text(json.dumps({service.name: service.failures for service in services}))
            fresh.replace(failures_file(directory))
    for service in services:
        service.stop()
        _say(f"{service.name}: stopped")


def main() -> None:
    """Names and ports come as arguments, everything else through the environment. SIGHUP: forgive failures."""
    directory = Path(sys.argv[1])
    pairs = [argument.split("=") for argument in sys.argv[2:]]
    stopping, forgiving = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    signal.signal(signal.SIGHUP, lambda *_: forgiving.set())
    supervise([Service(name, int(port), directory) for name, port in pairs], directory, stopping, forgiving)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
