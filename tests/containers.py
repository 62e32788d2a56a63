"""The servers of a test session in Docker, by testcontainers: which containers, and their life.

An address must mean the same server on both sides of the container's wall, since Kafka and MongoDB tell clients where
they are and talk to themselves there too. So both listen in the container on the port that they have on the host.
Needs an engine on this machine: with a distant one, 127.0.0.1 would be somebody else.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from testcontainers.core.container import DockerContainer

from devstack import kafka_server, minio_server, mongodb_server
from devstack.errors import ServerFailed
from devstack.ports import HOST, Ports
from devstack.server import POLL_SECONDS, READY_SECONDS, STOP_SECONDS
from devstack.stack import ServerName

KAFKA_IMAGE = "apache/kafka:4.2.1"
MONGODB_IMAGE = "mongo:8.0"
# MinIO's own images are gone; this is the maintained fork, as in docker-compose.yml.
MINIO_IMAGE = "pgsty/minio:RELEASE.2026-06-18T00-00-00Z"

KAFKA_DATA = Path("/var/lib/kafka/data")
KAFKA_CONTROLLER_PORT = 9093
MINIO_PORT = 9000
LOG_LINES_SHOWN = 15


@dataclass(frozen=True)
class Definition:
    """What is particular to one server. `port` on the host leads to `inner_port`; "not yet" is False of `is_ready`."""

    name: ServerName
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    inner_port: int
    is_ready: Callable[[], bool]


def kafka(port: int) -> Definition:
    """The native server's properties, as the variables from which the image writes its own."""
    text = kafka_server.properties(port, KAFKA_CONTROLLER_PORT, KAFKA_DATA)
    properties = dict(line.split("=", 1) for line in text.splitlines())
    properties["listeners"] = f"BROKER://:{port},CONTROLLER://{HOST}:{KAFKA_CONTROLLER_PORT}"
    variables = {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in properties.items()}
    environment = {**variables, "KAFKA_HEAP_OPTS": "-Xms256m -Xmx512m"}
    return Definition("kafka", KAFKA_IMAGE, (), environment, port, port, lambda: kafka_server.serves_clients(port))


def mongodb(port: int) -> Definition:
    """Waiting for it initiates the replica set, with the one address that is right on both sides."""
    command = ("mongod", *mongodb_server.SETTINGS, *mongodb_server.cache_of(), "--bind_ip_all", "--port", str(port))
    return Definition("mongodb", MONGODB_IMAGE, command, {}, port, port, lambda: mongodb_server.is_primary(port))


def minio(port: int, access_key: str, secret_key: str) -> Definition:
    """MinIO does not mind what its port is called outside."""
    environment = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key, "MINIO_UPDATE": "off"}
    command = ("server", "/data")
    return Definition(
        "minio", MINIO_IMAGE, command, environment, port, MINIO_PORT, lambda: minio_server.serves_clients(port)
    )


def container_of(definition: Definition) -> DockerContainer:
    """Not started yet, but it asks the engine for its version."""
    container = DockerContainer(definition.image, env=dict(definition.environment))
    if definition.command:
        container.with_command(list(definition.command))
    # with_bind_ports() would open the port to other machines, and these servers ask for no password. What is in
    # `ports` goes to the Docker client as it is, and that understands an address too.
    cast("dict[str, Any]", container.ports)[f"{definition.inner_port}/tcp"] = (HOST, definition.port)
    return container


class ServerContainer:
    """One server; its container stays, and keeps port and data, while the server is stopped."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._container = container_of(definition)

    def create(self) -> None:
        """Make the container, fetching its image if need be, and start it, without waiting for the server."""
        self._container.start()

    def start(self) -> None:
        """Start it again, and wait."""
        self._container.get_wrapped_container().start()
        self.wait_until_ready()

    def stop(self) -> None:
        """SIGTERM, and patience."""
        self._container.get_wrapped_container().stop(timeout=int(STOP_SECONDS))

    def kill(self) -> None:
        """SIGKILL, as a power failure would."""
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status == "running":
            container.kill()
            container.wait()

    def remove(self) -> None:
        """With its data, whether it runs or was never made."""
        self._container.stop()

    def wait_until_ready(self) -> None:
        """Raises ServerFailed, with the end of the server's log, when it ends or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._definition.is_ready():
            container = self._container.get_wrapped_container()
            container.reload()
            if container.status != "running":
                raise self._failed(f"is {container.status} while starting")
            if time.monotonic() > deadline:
                raise self._failed(f"was not ready after {READY_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def _failed(self, what: str) -> ServerFailed:
        log: bytes = self._container.get_wrapped_container().logs(tail=LOG_LINES_SHOWN)
        text = log.decode(errors="replace")
        return ServerFailed(f"{self._definition.name} {what}. The end of its log:\n{text}")


class ContainerStack:
    """Kafka, MongoDB and MinIO in containers: `tests.servers.Servers`, running between enter and exit.

    testcontainers' Ryuk removes the containers some 10 s after this process is gone, however it ends.
    """

    minio_access_key = "tensorfleet"

    def __init__(self) -> None:
        self._ports = Ports.pick_free()
        self.minio_secret_key = secrets.token_urlsafe(24)
        self._running: dict[ServerName, ServerContainer] = {}
        self._cleanup = ExitStack()

    @property
    def kafka_bootstrap(self) -> str:
        """The advertised listener."""
        return f"{HOST}:{self._ports.kafka}"

    @property
    def mongodb_url(self) -> str:
        """Names the replica set, whose member has this same address."""
        return f"mongodb://{HOST}:{self._ports.mongodb}/?replicaSet={mongodb_server.REPLICA_SET}"

    @property
    def minio_endpoint(self) -> str:
        """Host and port, without a scheme."""
        return f"{HOST}:{self._ports.minio}"

    def definitions(self) -> Iterable[Definition]:
        """Of the three containers."""
        return (
            kafka(self._ports.kafka),
            mongodb(self._ports.mongodb),
            minio(self._ports.minio, self.minio_access_key, self.minio_secret_key),
        )

    def start_server(self, name: ServerName) -> None:
        """On its port and with its data; returns when it is ready."""
        self._running[name].start()

    def stop_server(self, name: ServerName) -> None:
        """Gracefully."""
        self._running[name].stop()

    def kill_server(self, name: ServerName) -> None:
        """With SIGKILL."""
        self._running[name].kill()

    def __enter__(self) -> Self:
        """One after the other they are made, since testcontainers starts Ryuk with the first; together they start."""
        with ExitStack() as cleanup:
            for definition in self.definitions():
                server = self._running[definition.name] = ServerContainer(definition)
                cleanup.callback(server.remove)
                server.create()
            for server in self._running.values():
                server.wait_until_ready()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()
