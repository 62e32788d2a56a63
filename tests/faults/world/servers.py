"""Three Kafka brokers, MongoDB and MinIO, each behind a proxy that the services come through."""

from __future__ import annotations

import asyncio
import secrets
import signal
from pathlib import Path

from confluent_kafka.admin import AdminClient

from devstack.installer import binaries, install_servers
from devstack.kafka_server import ClientListener, KafkaNode, KafkaServer, random_uuid
from devstack.minio_server import MinioServer
from devstack.mongodb_server import REPLICA_SET, MongodbServer
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime
from devstack.server import Server, ServerProcess
from tensorfleet.kafka import configuration
from tests.faults.world.proxy import Link

BROKERS = (1, 2, 3)


class Servers:
    """`links` and `processes` by name: kafka-1, kafka-2, kafka-3, mongodb, minio. The servers die with us."""

    def __init__(self, directory: Path, minio_data: Path) -> None:
        self._directory = directory
        ports = iter(free_ports(4 * len(BROKERS) + 5))
        self._kafka = {number: next(ports) for number in BROKERS}
        self._controllers = {number: next(ports) for number in BROKERS}
        clients = {number: ClientListener(next(ports), next(ports)) for number in BROKERS}
        self._mongodb, self._minio, console = next(ports), next(ports), next(ports)
        self.minio_keys = ("tensorfleet", secrets.token_urlsafe(24))
        self.links = {
            f"kafka-{number}": Link(f"kafka-{number}", one.advertised, one.port) for number, one in clients.items()
        }
        self.links["mongodb"] = Link("mongodb", next(ports), self._mongodb)
        self.links["minio"] = Link("minio", next(ports), self._minio)
        install_servers()
        minio = MinioServer(directory / "minio", minio_data, binaries().minio, (self._minio, console), self.minio_keys)
        mongodb = MongodbServer(directory / "mongodb", binaries().mongod, self._mongodb)
        cluster_id = random_uuid()
        nodes = [KafkaNode(number, cluster_id, self._controllers, clients[number]) for number in BROKERS]
        servers: list[Server] = [minio, mongodb, *(self._broker(node) for node in nodes)]
        self.processes = {one.name: ServerProcess(one, directory, Lifetime.KILLED_WITH_PARENT) for one in servers}

    def _broker(self, node: KafkaNode) -> KafkaServer:
        home = self._directory / f"kafka-{node.id}"
        return KafkaServer(
            home, binaries().kafka_lib, self._kafka[node.id], self._controllers[node.id], node, brief=True
        )

    @property
    def bootstrap(self) -> str:
        """Past the proxies, for whoever observes."""
        return ",".join(f"{HOST}:{port}" for port in self._kafka.values())

    @property
    def mongodb_url(self) -> str:
        return f"mongodb://{HOST}:{self._mongodb}/?replicaSet={REPLICA_SET}"

    @property
    def minio_endpoint(self) -> str:
        return f"{HOST}:{self._minio}"

    def environment(self) -> dict[str, str]:
        """What the services are told: the proxies. A direct connection keeps MongoDB's own address out of it."""
        port = {name: link.port for name, link in self.links.items()}
        return {
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"{HOST}:{port[f'kafka-{number}']}" for number in BROKERS),
            "MONGODB_URL": f"mongodb://{HOST}:{port['mongodb']}/?directConnection=true",
            "MINIO_ENDPOINT": f"{HOST}:{port['minio']}",
            "MINIO_ACCESS_KEY": self.minio_keys[0],
            "MINIO_SECRET_KEY": self.minio_keys[1],
            "REPLICATION_FACTOR": str(len(BROKERS)),
        }

    async def start(self) -> None:
        await asyncio.gather(*(link.open() for link in self.links.values()))
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in self.processes.values()))

    async def stop(self) -> None:
        """By SIGKILL: nobody needs their data any more."""
        await asyncio.gather(*(link.close() for link in self.links.values()))
        await asyncio.gather(*(asyncio.to_thread(one.kill) for one in self.processes.values()))

    async def kill(self, name: str) -> None:
        await asyncio.to_thread(self.processes[name].kill)

    async def revive(self, name: str) -> None:
        await asyncio.to_thread(self.processes[name].start)

    def send(self, name: str, number: signal.Signals) -> None:
        identity = self.processes[name].running()
        if identity is not None:
            identity.send(number)

    async def leader(self, topic: str, partition: int) -> str:
        """The name of the broker that leads the partition now."""
        admin = AdminClient(configuration.admin({"bootstrap.servers": self.bootstrap}, "fault-observer"))
        found = await asyncio.to_thread(admin.list_topics, topic, 10.0)
        return f"kafka-{found.topics[topic].partitions[partition].leader}"
