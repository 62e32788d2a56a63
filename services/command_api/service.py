"""The command side as one unit: its clients, its partitions and its routes, ready to be put into an app."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
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
from services.command_api.partition import Log, Partition, State
from services.command_api.routes import CommandHttp, ProjectionWait, command_routes
from services.command_api.scrub import Scrub
from services.command_api.snapshots import Snapshots
from services.command_api.upload import upload_routes
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.blobs.presigning import presigner_of
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
from tensorfleet.kafka.log_snapshots import LogSnapshots
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

    async def join(self) -> None:
        """A member that has yet to read the log would hold what another instance could serve meanwhile."""
        await self.bus.replayed.wait()
        self.membership.start()

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
    blobs: MinioBlobStore,
    projection: ProjectionWait,
    metrics: Metrics,
    lifeline: Lifeline,
) -> AsyncIterator[CommandSide]:
    """Follow the log, join the group, and give up the licence at the end so that a successor begins at once."""
    topics = Topics(settings.registry_id, settings.log_partitions)
    codec, memory = Codec(catalogue), CommandMemory(_now)
    client_id = f"{topics.registry}.command-api"
    admin = configuration.admin(settings.kafka, client_id)
    token = forwarding_token(settings.minio_secret_key.get_secret_value())
    forwarder = Forwarder(token, settings.trusted_context())
    partitions: list[Partition] = []
    bus = CommandBus(partitions, memory, forwarder, settings.command_timeout, _now)
    halt = Halt()

    def fail(error: BaseException) -> None:
        if not isinstance(error, LogLost):
            lifeline.fail(error)
            return
        halt.because(error)
        membership.leave()
        bus.halt(error.detail)

    log = TopicReader(settings.kafka, topics.log, client_id)
    snapshots = Snapshots(LogSnapshots(log, identity, blobs.snapshots), settings.snapshot_every)
    folds = [LogFold(codec) for _ in range(topics.partitions)]
    await asyncio.gather(*(snapshots.restore(fold, memory, number) for number, fold in enumerate(folds)))
    reader = configuration.reader(settings.kafka, client_id)
    offsets = {number: fold.next_offset for number, fold in enumerate(folds)}
    follower = Follower(reader, admin, topics.log, offsets, bus.on_burst, fail)
    logs = (KafkaLog(topics, number, producer, follower, codec) for number in range(topics.partitions))
    partitions.extend(_partitions(settings.own_url, folds, logs, memory, metrics))
    member = configuration.member(settings.kafka, client_id, topics.group("command-api"))
    membership = Membership(member, topics.log, bus.on_licence, fail)
    http = CommandHttp(Operations(bus, blobs, lambda: datetime.now(UTC)), projection, settings.projection_wait)
    uploads = _direct_uploads(http.operations, blobs, settings)
    slots = UploadSlots(settings.max_uploads)
    routers = (
        command_routes(http),
        upload_routes(http, blobs, settings.max_file_size, slots),
        direct_upload_routes(http, uploads, slots),
        artifact_routes(http),
        dead_letter_routes(http),
        forwarding_routes(partitions, token),
    )
    side = CommandSide(bus, routers, membership, halt, admin)
    follower.start()
    lifeline.spawn(side.join())
    lifeline.spawn(LogWatch(admin, topics.specs, (topics.log, topics.downloads), identity).run(fail))
    lifeline.spawn(snapshots.run(partitions, memory))
    if uploads is not None:
        lifeline.spawn(AbandonedUploads(blobs.staging, settings.presign_upload_hours * 3600).go_round())
    _begin_scrub(settings.blob_scrub_bytes_per_second, bus, blobs, metrics, lifeline)
    try:
        yield side
    finally:
        await asyncio.gather(membership.stop(), follower.stop(), forwarder.close())


def _partitions(
    own_url: str, folds: Iterable[LogFold], logs: Iterable[Log], memory: CommandMemory, metrics: Metrics
) -> Iterator[Partition]:
    instance_id = str(uuid.uuid4())
    for number, (fold, log) in enumerate(zip(folds, logs, strict=True)):
        yield Partition(
            number,
            fold,
            log,
            memory,
            metrics,
            url=own_url,
            instance_id=instance_id,
            now=_now,
            new_event_id=lambda: str(uuid_utils.uuid7()),
        )


def _direct_uploads(operations: Operations, blobs: MinioBlobStore, settings: Settings) -> DirectUploads | None:
    """None while PRESIGN is off."""
    presigner = presigner_of(settings)
    if presigner is None:
        return None
    life_seconds = settings.presign_upload_hours * 3600
    return DirectUploads(operations, blobs, blobs.staging, presigner, settings.max_file_size, life_seconds, _now)


def _begin_scrub(
    bytes_per_second: int | None,
    bus: CommandBus,
    blobs: MinioBlobStore,
    metrics: Metrics,
    lifeline: Lifeline,
) -> None:
    """Look into what readers found, and go round all files where that is wanted."""
    scrub = Scrub(
        bus.partitions,
        blobs,
        blobs.suspects,
        lambda command, model_id: bus.execute(command, model_id, None, Caller("registry")),
        metrics,
    )
    lifeline.spawn(scrub.look_into_suspects())
    if bytes_per_second is not None:
        lifeline.spawn(scrub.go_round(bytes_per_second))


def _now() -> int:
    return time.time_ns() // 1000
