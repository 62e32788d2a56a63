"""An S3 server that shares no code with MinIO, for `make test-s3`: nothing of the registry depends on MinIO alone."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.installer import install_versitygw
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime
from devstack.server import ServerProcess


@dataclass(frozen=True)
class S3:
    """`endpoint` is host:port, plain HTTP; the keys are those of the root user."""

    endpoint: str
    access_key: str
    secret_key: str


class VersitygwServer:
    """Files in a folder; with more than one part they are in its `.sgwtmp` until they are complete."""

    name = "versitygw"

    def __init__(self, directory: Path, s3: S3) -> None:
        self._data = directory / "data"
        self._s3 = s3
        self._binary = install_versitygw()

    def ports(self) -> Mapping[str, int]:
        return {}

    def prepare(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)

    def command(self) -> Sequence[str]:
        return [str(self._binary), "--port", self._s3.endpoint, "posix", str(self._data)]

    def environment(self) -> Mapping[str, str]:
        return {"ROOT_ACCESS_KEY": self._s3.access_key, "ROOT_SECRET_KEY": self._s3.secret_key}

    def is_ready(self) -> bool:
        try:
            socket.create_connection((HOST, int(self._s3.endpoint.rpartition(":")[2])), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def second_s3(directory: Path) -> Iterator[S3]:
    s3 = S3(f"{HOST}:{free_ports(1)[0]}", "tensorfleet", secrets.token_urlsafe(24))
    process = ServerProcess(VersitygwServer(directory, s3), directory, Lifetime.KILLED_WITH_PARENT)
    process.start()
    try:
        yield s3
    finally:
        process.stop()
