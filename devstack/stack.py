"""The three servers together, as tests and `make up` start them."""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from devstack.installer import binaries, install_servers
from devstack.kafka_server import KafkaServer
from devstack.minio_server import MinioServer
from devstack.mongodb_server import REPLICA_SET, MongodbServer
from devstack.ports import HOST, Ports
from devstack.processes import Lifetime
from devstack.server import Server, ServerProcess

ServerName = Literal["kafka", "mongodb", "minio"]


class NativeStack:
    """Kafka, MongoDB and MinIO as child processes, on 127.0.0.1 only.

    Data, logs and pid files are in `directory`; a later stack on the same directory and ports finds the same
    data, and servers that still run. Without `ports`, free ones are picked. The servers die with this process
    unless `lifetime` is DETACHED. `brief`: they run for minutes, and speed is not what they are for.
    """

    minio_access_key = "tensorfleet"

    def __init__(
        self,
        directory: Path,
        ports: Ports | None = None,
        *,
        minio_directory: Path | None = None,
        lifetime: Lifetime = Lifetime.KILLED_WITH_PARENT,
        brief: bool = False,
        mongodb_cache_gb: float = 1.0,
    ) -> None:
        self.directory = directory.absolute()
        self.ports = ports or Ports.pick_free()
        self._minio_data = (minio_directory or self.directory / "minio" / "data").absolute()
        self._lifetime = lifetime
        self._brief = brief
        self._mongodb_cache_gb = mongodb_cache_gb

    @property
    def kafka_bootstrap(self) -> str:
        """For `bootstrap.servers`."""
        return f"{HOST}:{self.ports.kafka}"

    @property
    def mongodb_url(self) -> str:
        """Names the replica set, so that transactions work."""
        return f"mongodb://{HOST}:{self.ports.mongodb}/?replicaSet={REPLICA_SET}"

    @property
    def minio_endpoint(self) -> str:
        """Host and port, without a scheme."""
        return f"{HOST}:{self.ports.minio}"

    @cached_property
    def minio_secret_key(self) -> str:
        """Made once per directory: other users of the machine can reach the port as well."""
        path = self.directory / "minio-secret"
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(24))
        return path.read_text()

    @cached_property
    def processes(self) -> dict[ServerName, ServerProcess]:
        """By name; looking starts and installs nothing."""
        installed = binaries()
        minio_ports = (self.ports.minio, self.ports.minio_console)
        keys = (self.minio_access_key, self.minio_secret_key)
        servers: dict[ServerName, Server] = {
            "kafka": KafkaServer(
                self.directory / "kafka",
                installed.kafka_lib,
                self.ports.kafka,
                self.ports.kafka_controller,
                brief=self._brief,
            ),
            "mongodb": MongodbServer(
                self.directory / "mongodb", installed.mongod, self.ports.mongodb, self._mongodb_cache_gb
            ),
            "minio": MinioServer(self.directory / "minio", self._minio_data, installed.minio, minio_ports, keys),
        }
        return {name: ServerProcess(server, self.directory, self._lifetime) for name, server in servers.items()}

    def start(self) -> list[str]:
        """Start what does not run, all at once, and wait until all are ready; the names of those started."""
        install_servers()
        for process in self.processes.values():
            if process.running() is None:
                process.require_free_ports()
        pool = ThreadPoolExecutor(max_workers=len(self.processes))
        try:
            started = {name: pool.submit(process.start) for name, process in self.processes.items()}
            return [name for name, future in started.items() if future.result()]
        except BaseException:
            if self._lifetime is not Lifetime.DETACHED:
                for process in self.processes.values():
                    process.kill()
            raise
        finally:
            pool.shutdown()

    def stop(self) -> None:
        """End all servers gracefully."""
        with ThreadPoolExecutor(max_workers=len(self.processes)) as pool:
            for future in [pool.submit(process.stop) for process in self.processes.values()]:
                future.result()

    def start_server(self, name: ServerName) -> None:
        """Start one server again, on its port and with its data, and wait until it is ready."""
        self.processes[name].start()

    def stop_server(self, name: ServerName) -> None:
        """End one server gracefully."""
        self.processes[name].stop()

    def kill_server(self, name: ServerName) -> None:
        """End one server with SIGKILL."""
        self.processes[name].kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
