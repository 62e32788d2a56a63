"""Kafka, MongoDB and MinIO for a test session: what tests may ask of them, whatever they run in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from devstack.choice import docker_is_chosen
from devstack.stack import NativeStack, ServerName


class Servers(Protocol):
    """Three servers on 127.0.0.1, each at one address from first to last, over stops and kills too.

    An address is valid as soon as the servers run. What a server has acknowledged, it still has when it starts again.
    """

    @property
    def kafka_bootstrap(self) -> str:
        """For `bootstrap.servers`. Topics are not made by asking for them."""

    @property
    def mongodb_url(self) -> str:
        """Of a replica set, so that transactions work."""

    @property
    def minio_endpoint(self) -> str:
        """Host and port, without a scheme; plain HTTP."""

    @property
    def minio_access_key(self) -> str:
        """Of the root user."""

    @property
    def minio_secret_key(self) -> str:
        """Of the root user."""

    def start_server(self, name: ServerName) -> None:
        """Start one server again and wait until it is ready; ServerFailed when it does not become so."""

    def stop_server(self, name: ServerName) -> None:
        """End one server gracefully; nothing happens if it does not run."""

    def kill_server(self, name: ServerName) -> None:
        """End one server with SIGKILL and wait until it is gone; nothing happens if it does not run."""


def fresh_servers(directory: Path) -> AbstractContextManager[Servers]:
    """Servers without data, running inside the context: in containers where `make up` would use Docker, else native."""
    if docker_is_chosen():
        from tests.containers import ContainerStack

        return ContainerStack()
    return NativeStack(directory, brief=True)
