"""Faults of chance made certain: the moment that a random kill hits once in a hundred times is waited for."""

from __future__ import annotations

import asyncio
import signal
import time
import uuid
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tensorfleet.domain.guard import NO_HASH
from tensorfleet.events.envelope import Envelope, OwnershipClaimed
from tensorfleet.kafka import configuration
from tests.faults.campaign.faults import Fault, KillService
from tests.faults.checker.rules import CODEC
from tests.faults.world.collect import Place
from tests.faults.world.log_reader import LogWatch
from tests.faults.world.world import World

_SLOW_SECONDS = 0.15
_NOBODY = "http://127.0.0.1:1"
_MOST_SECONDS_OF_STALKING = 20.0


class ForeignClaims(Fault):
    """An instance claims every partition and does nothing more, again and again, while the way to Kafka is slow.

    So the records that the owners have under way land behind a claim that they have not read: they are void.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__("claims by a stranger of", "every partition", seconds)
        self._claiming: asyncio.Task[None] | None = None

    async def inject(self, world: World) -> None:
        _delay_kafka(world, _SLOW_SECONDS)
        self._claiming = asyncio.create_task(self._claim(world))

    async def heal(self, world: World) -> None:
        if self._claiming is not None:
            await self._claiming
        _delay_kafka(world, 0.0)

    async def _claim(self, world: World) -> None:
        place = world.place
        producer = Producer(configuration.producer({"bootstrap.servers": place.bootstrap}, "fault-stranger"))
        until = time.monotonic() + self.seconds
        while time.monotonic() < until:
            await asyncio.sleep(1.0)
            for number in range(place.partitions):
                producer.produce(place.topics.log, _claim_after(world.watch, number), b"ownership", partition=number)
            await asyncio.to_thread(producer.flush, 10.0)


def _delay_kafka(world: World, seconds: float) -> None:
    for name, link in world.servers.links.items():
        if name.startswith("kafka"):
            link.delay(seconds)


def _claim_after(watch: LogWatch, partition: int) -> bytes:
    """That of the next epoch, as far as is known; if an owner comes before us with it, ours does not count."""
    return CODEC.encode(
        Envelope(
            epoch=watch.claims[partition] + 1,
            sequence=0,
            model_id="",
            event_id=str(uuid.uuid4()),
            command_id="",
            previous_hash=NO_HASH,
            model_name="",
            command_hash=None,
            occurred_at=time.time_ns() // 1000,
            actor="registry",
            event=OwnershipClaimed(_NOBODY, "stranger"),
        )
    )


class KillPublisherMidway(KillService):
    """kill -9 of a publisher that has a transaction under way."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.kind = "kill -9 in the midst of a transaction of"

    async def inject(self, world: World) -> None:
        service = world.services.by_name[self.target]
        admin = AdminClient(configuration.admin({"bootstrap.servers": world.place.bootstrap}, "fault-stalker"))
        until = time.monotonic() + _MOST_SECONDS_OF_STALKING
        while time.monotonic() < until:
            service.send(signal.SIGSTOP)
            if await asyncio.to_thread(_has_begun, admin, world.place):
                break
            service.send(signal.SIGCONT)
            await asyncio.sleep(0.02)
        await super().inject(world)


def _has_begun(admin: AdminClient, place: Place) -> bool:
    """Whether the feed holds records that are not committed yet. Not if Kafka does not tell."""
    feed = [TopicPartition(place.topics.feed, number) for number in range(place.partitions)]
    latest = dict.fromkeys(feed, OffsetSpec.latest())
    try:
        committed, all_of_it = (
            [future.result(5).offset for future in admin.list_offsets(latest, isolation_level=level).values()]
            for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
        )
    except (KafkaException, TimeoutError):
        return False
    return committed != all_of_it


class KillBlockedProjector(KillService):
    """kill -9 of a projector whose transactions can't end, because someone holds documents that they write."""

    def __init__(self, target: str, seconds: float) -> None:
        super().__init__(target)
        self.kind, self.seconds = "kill -9 after a lock in MongoDB before", seconds
        self._lock: asyncio.Task[None] | None = None
        self._release = asyncio.Event()

    async def inject(self, world: World) -> None:
        self._release.clear()
        self._lock = asyncio.create_task(self._hold(world.place))

    async def heal(self, world: World) -> None:
        service = world.services.by_name[self.target]
        await service.kill()
        self._release.set()
        if self._lock is not None:
            await self._lock
        service.start()

    async def _hold(self, place: Place) -> None:
        client: MongoClient[dict[str, Any]] = MongoClient(place.mongodb_url)
        session = client.start_session()
        try:
            await asyncio.to_thread(_lock_statistics, client[place.database].statistics, session)
            await self._release.wait()
        finally:
            session.end_session()
            client.close()


def _lock_statistics(statistics: Any, session: Any) -> None:
    """Every batch with an event writes them. The projector itself may hold them at this moment."""
    until = time.monotonic() + 10.0
    while True:
        session.start_transaction()
        try:
            statistics.update_many({}, {"$set": {"held": True}}, session=session)
            return
        except PyMongoError:
            session.abort_transaction()
            if time.monotonic() > until:
                raise
