"""After the load: waits until everything downstream has reached the log's end, and loads what the checker needs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson.raw_bson import RawBSONDocument
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from minio import Minio
from pymongo import MongoClient
from pymongo.database import Database

from services.publisher.progress import first_unpublished
from tensorfleet.events.envelope import Position
from tensorfleet.events.headers import LOG_POSITION, SEQUENCE
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.records import Record
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.projection_store import COLLECTIONS
from tests.faults.checker.observations import Documents, FeedRecord, LogRecord, Observations, StoredObject
from tests.faults.world.log_reader import read_topic
from tests.faults.world.replay import replayed

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a registry keeps everything; the addresses are the servers' own."""

    bootstrap: str
    mongodb_url: str
    database: str
    minio: Minio
    bucket: str
    topics: Topics

    @property
    def partitions(self) -> int:
        return self.topics.partitions

    def reader(self, topic: str) -> TopicReader:
        return TopicReader({"bootstrap.servers": self.bootstrap}, topic, "fault-observer")


class NeverQuiet(Exception):
    """Something downstream of the log did not reach its end in time."""


def wait_until_quiet(place: Place, seconds: float) -> None:
    """Until the read models hold the whole log and all downloads, and the publisher has done all of the log.

    NeverQuiet after `seconds`.
    """
    deadline = time.monotonic() + seconds
    admin = AdminClient(configuration.admin({"bootstrap.servers": place.bootstrap}, "fault-observer"))
    while (missing := _missing(admin, place)) != "":
        if time.monotonic() > deadline:
            raise NeverQuiet(f"{seconds:.0f} s after the load {missing}")
        time.sleep(_POLL_SECONDS)


def _missing(admin: AdminClient, place: Place) -> str:
    ends = {name: _ends(admin, name, place.partitions) for name in (place.topics.log, place.topics.downloads)}
    with MongoClient[dict[str, Any]](place.mongodb_url) as client:
        found = {one["_id"]: one["next_offset"] for one in client[place.database].checkpoints.find()}
        for short, name in (("log", place.topics.log), ("downloads", place.topics.downloads)):
            for number, end in ends[name].items():
                if found.get(f"{short}:{number}", 0) < end:
                    return f"the read models contain {short}:{number} up to {found.get(f'{short}:{number}')} of {end}"
        for number, last in _last_events(client[place.database]).items():
            reached = first_unpublished(place.reader(place.topics.feed), place.reader(place.topics.log), number)
            if reached <= last:
                return f"the feed holds partition {number} up to {reached}, and its last event is at {last}"
    return ""


def _last_events(database: Database[dict[str, Any]]) -> dict[int, int]:
    """By partition the offset of the last event, as the read models have it."""
    stages = [{"$group": {"_id": "$partition", "last": {"$max": "$offset"}}}]
    return {one["_id"]: one["last"] for one in database.models.aggregate(stages)}


def _ends(admin: AdminClient, topic: str, partitions: int) -> dict[int, int]:
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
    return {one.partition: future.result(30).offset for one, future in admin.list_offsets(asked).items()}


def observe(place: Place, sightings: Mapping[Position, bytes]) -> Observations:
    log = _records(place, place.topics.log)
    downloads = _records(place, place.topics.downloads)
    feed = read_topic(place.bootstrap, place.topics.feed, place.partitions)
    states = read_topic(place.bootstrap, place.topics.state, place.partitions)
    return Observations(
        log=tuple(LogRecord(Position(one.partition, one.offset), one.value) for one in log),
        downloads=tuple(LogRecord(Position(one.partition, one.offset), one.value) for one in downloads),
        feed=tuple(map(_feed_record, feed)),
        states={(one.key or b"").decode(): one.value for one in states},
        documents=documents(place.mongodb_url, place.database),
        objects=tuple(_objects(place)),
        replay=lambda: replayed(place, log, downloads),
        sightings=sightings,
    )


def documents(mongodb_url: str, database: str) -> Documents:
    with MongoClient(mongodb_url, document_class=RawBSONDocument) as client:
        return {
            name: {one["_id"]: bytes(one.raw) for one in client[database][name].find()} for name in sorted(COLLECTIONS)
        }


def _records(place: Place, topic: str) -> list[Record]:
    return sorted(read_topic(place.bootstrap, topic, place.partitions), key=lambda one: (one.partition, one.offset))


def _feed_record(record: Record) -> FeedRecord:
    headers = dict(record.headers)
    return FeedRecord(Position.parse(headers[LOG_POSITION].decode()), int(headers[SEQUENCE]), record.value)


def _objects(place: Place) -> list[StoredObject]:
    now, found = datetime.now(UTC), []
    for one in place.minio.list_objects(place.bucket, recursive=True):
        content = place.minio.get_object(place.bucket, one.object_name)
        with content:
            raw = content.read()
        content.release_conn()
        age = (now - one.last_modified).total_seconds()
        found.append(StoredObject(one.object_name, hashlib.sha256(raw).hexdigest(), len(raw), age))
    return found
