"""Everything that a fault run needs: the servers, every service as processes, a reader of the log, the load."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from minio import Minio

from devstack.ports import free_ports
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tests.faults.load.load import Load, Shape
from tests.faults.load.recorder import Recorder
from tests.faults.world.collect import Place
from tests.faults.world.disk import Disk
from tests.faults.world.log_reader import LogWatch
from tests.faults.world.servers import Servers
from tests.faults.world.service_processes import Service, Services

REGISTRY = "faults"


@dataclass(frozen=True, slots=True)
class Plan:
    """`instances` is how many command APIs there are; `disk_bytes` what MinIO gets if a tmpfs can be mounted.

    `patience_seconds`: how long everything may take to be served again, and the rest to follow when the load has ended.
    `settle_seconds`: after each fault, until the next.
    """

    directory: Path
    seed: int
    instances: int = 1
    disk_bytes: int = 3_000_000_000
    patience_seconds: float = 150.0
    settle_seconds: float = 2.0
    shape: Shape = field(default_factory=Shape)


@dataclass(frozen=True, slots=True)
class World:
    servers: Servers
    services: Services
    watch: LogWatch
    load: Load
    recorder: Recorder
    place: Place
    disk: Disk | None
    plan: Plan


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[World]:
    """Inside, all of it runs and the load has begun. Everything is ended at the end, whatever happens."""
    async with AsyncExitStack() as stack:
        minio_data = plan.directory / "minio-data"
        disk = Disk.mounted(minio_data, plan.disk_bytes)
        if disk is not None:
            stack.callback(disk.unmount)
        servers = Servers(plan.directory, minio_data)
        stack.push_async_callback(servers.stop)
        await servers.start()
        services = Services(_instances(plan, servers))
        stack.push_async_callback(services.stop)
        await services.start()
        topics = Topics(REGISTRY)
        watch = LogWatch(servers.bootstrap, topics.log, topics.partitions, Codec(Catalogue()))
        watch.start()
        stack.callback(watch.stop)
        recorder = Recorder(topics.partitions)
        ports = {kind: [one.port for one in services.of_kind(kind)] for kind in ("command_api", "query_api")}
        load = Load(ports["command_api"], ports["query_api"], recorder, plan.seed, plan.shape)
        load.start()
        stack.push_async_callback(load.abandon)
        place = _place(servers, topics)
        yield World(servers, services, watch, load, recorder, place, disk, plan)


def _instances(plan: Plan, servers: Servers) -> list[Service]:
    names = [f"command_api-{number + 1}" for number in range(plan.instances)]
    names += ["query_api-1", "projector-1", "publisher-1"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "MINIO_"))}
    settings = {"REGISTRY_ID": REGISTRY, "MONGODB_DB": REGISTRY, "MINIO_BUCKET": REGISTRY, "MAX_FILE_SIZE": "20MB"}
    environment = {**kept, **servers.environment(), **settings}
    logs = plan.directory / "logs"
    return [Service(name, port, environment, logs) for name, port in zip(names, free_ports(len(names)), strict=True)]


def _place(servers: Servers, topics: Topics) -> Place:
    key, secret = servers.minio_keys
    minio = Minio(servers.minio_endpoint, key, secret, secure=False, region="us-east-1")
    return Place(servers.bootstrap, servers.mongodb_url, REGISTRY, minio, REGISTRY, topics)
