"""The command side as one unit: its clients, its partitions and its routes, ready to be put into an app."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import uuid_utils
from fastapi import APIRouter

from services.command_api.artifacts import artifact_routes
from services.command_api.bus import Caller, CommandBus
from services.command_api.dead_letters import dead_letter_routes
from services.command_api.direct_upload_routes import direct_upload_routes
from services.command_api.direct_uploads import DirectUploads
from services.command_api.forwarder import Forwarder
from services.command_api.forwarding import forwarding_routes, forwarding_token
from services.command_api.log import KafkaLog
from services.command_api.memory import CommandMemory
from services.command_api.operations import Operations
from services.command_api.partition import Partition, State
from services.command_api.routes import CommandHttp, ProjectionWait, command_routes
from services.command_api.scrub import Scrub
from services.command_api.snapshots import Snapshots
from services.command_api.upload import upload_routes
from tensorfleet.blobs.presigning import Presigner
from tensorfleet.blobs.staging import Staging
from tensorfleet.blobs.store import BlobStore
from tensorfleet.blobs.suspects import Suspects
from tensorfleet.collection.abandoned import AbandonedUploads
from tensorfleet.domain.errors import LogLost
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.fold import LogFold
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.upload_slots import UploadSlots
from tensorfleet.kafka import configuration
from tensorfleet.kafka.follower import Follower
from tensorfleet.kafka.log_snapshots import LogSnapshots, SnapshotStore
from tensorfleet.kafka.log_watch import LogWatch
from tensorfleet.kafka.membership import Membership
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topics import LogIdentity
from tensorfleet.process import Halt, Lifeline
from tensorfleet.settings import Settings

_LOG = logging.getLogger(__name__)
_HAND_OVER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class CommandSide:
    bus: CommandBus
    routers: tuple[APIRouter, ...]
    membership: Membership
    halt: Halt
    kafka_admin: Mapping[str, Any]

    def leave(self) -> None:
        """Let others take the partitions. Until they do, what we own is served as before."""
        self.membership.leave()

    async def hand_over(self) -> None:
        """Leave, and return when others have taken what we own: at once if there are none, and soon in any case."""
        self.leave()
        if not await self.membership.has_others(self.kafka_admin):
            return
        try:
            async with asyncio.timeout(_HAND_OVER_SECONDS):
                for one in self.bus.partitions:
                    while one.state is State.OWNING:
                        await asyncio.wait([one.next_claim])
        except TimeoutError:
            left = [one.number for one in self.bus.partitions if one.state is State.OWNING]
            _LOG.warning("nobody has taken over partitions %s within %g s", left, _HAND_OVER_SECONDS)

    def measure(self, metrics: Metrics) -> None:
        for one in self.bus.partitions:
            metrics.queue_depth.labels(one.number).set(one.queued)
            metrics.parked_models.labels(one.number).set(len(one.fold.parked))

    async def check_ownership(self) -> str | None:
        if self.halt.reason is not None:
            return self.halt.reason
        if self.membership.leaving:
            return "this instance is about to end"
        if self.bus.ready:
            return None
        states = ", ".join(f"{one.number} {one.state}" for one in self.bus.partitions)
        return f"not every partition has an owner yet: {states}"


@asynccontextmanager
async def command_side(
    settings: Settings,
    identity: LogIdentity,
    catalogue: Catalogue,
    producer: LoopProducer,
    blobs: BlobStore,
    staging: Staging,
    presigner: Presigner | None,
    suspects: Suspects,
    snapshot_store: SnapshotStore,
    projection: ProjectionWait,
    metrics: Metrics,
    lifeline: Lifeline,
) -> AsyncIterator[CommandSide]:
    """Follow the log, join the group, and give up the licence at the end so that a successor begins at once."""
    topics = Topics(settings.registry_id, settings.log_partitions)
    codec, memory = Codec(catalogue), CommandMemory(_now)
    instance_id = str(uuid.uuid4())
    numbers = range(topics.partitions)
    partitions: list[Partition] = []
    token = forwarding_token(settings.minio_secret_key.get_secret_value())
    forwarder = Forwarder(token, settings.trusted_context())
    bus = CommandBus(partitions, memory, forwarder, settings.command_timeout, _now)
    client_id = f"{topics.registry}.command-api"
    halt = Halt()

    def fail(error: BaseException) -> None:
        if not isinstance(error, LogLost):
            lifeline.fail(error)
            return
        halt.because(error)
        membership.leave()
        bus.halt(error.detail)

    admin = configuration.admin(settings.kafka, client_id)
    log_watch = LogWatch(admin, topics.specs, (topics.log, topics.downloads), identity)
    log = TopicReader(settings.kafka, topics.log, client_id)
    snapshots = Snapshots(LogSnapshots(log, identity, snapshot_store), settings.snapshot_every)
    folds = {number: LogFold(codec) for number in numbers}
    await asyncio.gather(*(snapshots.restore(fold, memory, number) for number, fold in folds.items()))
    follower = Follower(
        configuration.reader(settings.kafka, client_id),
        admin,
        topics.log,
        {number: fold.next_offset for number, fold in folds.items()},
        bus.on_burst,
        fail,
    )
    partitions.extend(
        Partition(
            number,
            folds[number],
            KafkaLog(topics, number, producer, follower, codec),
            memory,
            metrics,
            url=settings.own_url,
            instance_id=instance_id,
            now=_now,
            new_event_id=lambda: str(uuid_utils.uuid7()),
        )
        for number in numbers
    )
    membership = Membership(
        configuration.member(settings.kafka, client_id, topics.group("command-api")),
        topics.log,
        bus.on_licence,
        fail,
    )
    operations = Operations(bus, blobs, lambda: datetime.now(UTC))
    http = CommandHttp(operations, projection, settings.projection_wait)

    async def join() -> None:
        """A member that has yet to read would hold what another instance could serve meanwhile."""
        await bus.replayed.wait()
        membership.start()

    follower.start()
    lifeline.spawn(join())
    lifeline.spawn(log_watch.run(fail))
    lifeline.spawn(snapshots.run(partitions, memory))
    _begin_scrub(settings.blob_scrub_bytes_per_second, bus, blobs, suspects, metrics, lifeline)
    uploads, life_seconds = None, settings.presign_upload_hours * 3600
    if presigner is not None:
        uploads = DirectUploads(operations, blobs, staging, presigner, settings.max_file_size, life_seconds, _now)
        lifeline.spawn(AbandonedUploads(staging, life_seconds).go_round())
    try:
        slots = UploadSlots(settings.max_uploads)
        routers = command_routes(http), upload_routes(http, blobs, settings.max_file_size, slots)
        direct = direct_upload_routes(http, uploads, slots)
        others = artifact_routes(http), dead_letter_routes(http), forwarding_routes(partitions, token)
        yield CommandSide(bus, (*routers, direct, *others), membership, halt, admin)
    finally:
        await asyncio.gather(membership.stop(), follower.stop(), forwarder.close())


def _begin_scrub(
    bytes_per_second: int | None,
    bus: CommandBus,
    blobs: BlobStore,
    suspects: Suspects,
    metrics: Metrics,
    lifeline: Lifeline,
) -> None:
    """Look into what readers found, and go round all files where that is wanted."""
    scrub = Scrub(
        bus.partitions,
        blobs,
        suspects,
        lambda command, model_id: bus.execute(command, model_id, None, Caller("registry")),
        metrics,
    )
    lifeline.spawn(scrub.look_into_suspects())
    if bytes_per_second is not None:
        lifeline.spawn(scrub.go_round(bytes_per_second))


def _now() -> int:
    return time.time_ns() // 1000
