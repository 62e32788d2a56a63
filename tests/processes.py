"""The registry's real processes on the tests' own servers, on free ports, under a name of their own."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import httpx
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from devstack.ports import free_ports
from tensorfleet.events.topics import Topics
from tests.servers import Servers

REPOSITORY = Path(__file__).parents[1]
READY_SECONDS = 40
ORIGIN = "https://dashboard.example"
"""A page from here may ask."""


def free_port() -> int:
    return free_ports(1)[0]


class RegistryProcesses:
    """Services as child processes; logs in `directory`. What follows a dot in a name tells instances apart."""

    def __init__(
        self, stack: Servers, directory: Path, names: Sequence[str] = ("gateway", "projector", "publisher")
    ) -> None:
        self.registry_id = f"test-{uuid.uuid4().hex[:12]}"
        self.ports = {name: free_port() for name in names}
        self.kafka_bootstrap = stack.kafka_bootstrap
        self.directory = directory
        self.trusted: ssl.SSLContext | bool = True
        """For clients of processes that speak TLS."""
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "MINIO_"))}
        self.environment = {
            **kept,
            "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap,
            "REGISTRY_ID": self.registry_id,
            "MONGODB_URL": stack.mongodb_url,
            "MONGODB_DB": self.registry_id,
            "MINIO_ENDPOINT": stack.minio_endpoint,
            "MINIO_ACCESS_KEY": stack.minio_access_key,
            "MINIO_SECRET_KEY": stack.minio_secret_key,
            "MINIO_BUCKET": self.registry_id,
            "MAX_FILE_SIZE": "20MB",
            "PROJECTION_WAIT": "20",  # a slow machine is no reason for a client not to read its own write
            "CORS_ORIGINS": f"{ORIGIN}, https://other.example",
        }
        if "gateway" in names:
            self.environment["REGISTRY_URL"] = self.url

    @property
    def url(self) -> str:
        return self.url_of("gateway")

    def url_of(self, name: str) -> str:
        scheme = "http" if self.trusted is True else "https"
        return f"{scheme}://127.0.0.1:{self.ports[name]}"

    def start(self, *names: str) -> None:
        """Start the named processes (all by default) and wait until they are ready."""
        self.start_without_waiting(*names)
        for name in names or tuple(self.ports):
            self.wait_ready(name)

    def start_missing(self) -> None:
        """Start those that do not run."""
        names = [name for name in self.ports if name not in self._running]
        if names:
            self.start(*names)

    def start_without_waiting(self, *names: str) -> None:
        for name in names or tuple(self.ports):
            log = (self.directory / f"{name}.log").open("ab")
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", f"services.{name.partition('.')[0]}"],
                cwd=REPOSITORY,
                env={**self.environment, "PORT": str(self.ports[name])},
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, name: str) -> None:
        """Ask until the process says that it is ready; fail with its log if it ends or takes too long."""
        with httpx.Client(timeout=5, verify=self.trusted) as http:  # one for all questions: each takes a while to make
            self.wait_until(lambda: http.get(f"{self.url_of(name)}/health/ready").status_code == 200, name)

    def wait_until(self, condition: Callable[[], bool], name: str) -> None:
        """Ask until `condition` holds; fail with the log of the process `name` if it ends or that takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._running[name].poll() is not None:
                raise AssertionError(f"{name} ended:\n{self.log(name)}")
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{name}: not within {READY_SECONDS} s:\n{self.log(name)}")

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.kafka_bootstrap})

    def log_ends(self) -> dict[int, int]:
        """The offset after the last record of each partition of the log, as Kafka says now."""
        topics = Topics(self.registry_id)
        asked = {TopicPartition(topics.log, number): OffsetSpec.latest() for number in range(topics.partitions)}
        return {one.partition: future.result(10).offset for one, future in self._admin.list_offsets(asked).items()}

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()[-4000:]

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def send_signal(self, name: str, number: int) -> None:
        self._running[name].send_signal(number)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """End a process and return its exit status."""
        process = self._running.pop(name)
        process.send_signal(number)
        return process.wait(20)

    def wait_end(self, name: str) -> int:
        """The exit status of a process that ends by itself."""
        return self._running.pop(name).wait(READY_SECONDS)

    def stop_all(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
        self._running.clear()
