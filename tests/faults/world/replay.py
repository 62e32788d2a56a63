"""Projects the topics into an empty database with the projector's own code, in batches of another size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.kafka import configuration
from tensorfleet.kafka.records import Record
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection.batch import BatchProjection
from tests.faults.checker.observations import Documents

if TYPE_CHECKING:
    from tests.faults.world.collect import Place

BATCH = 777


def replayed(place: Place, log: Sequence[Record], downloads: Sequence[Record]) -> Documents:
    """The documents that come out; the database stays, for whoever wants to look at a difference."""
    from tests.faults.world.collect import documents

    database = f"{place.database}-replay"
    with open_store(place.mongodb_url, database) as store:
        store.prepare()
        checkpoints = _first_checkpoints(place, store)
        for _, grouped in groupby((*log, *downloads), key=lambda one: (one.topic, one.partition)):
            records = list(grouped)
            for batch in (records[start : start + BATCH] for start in range(0, len(records), BATCH)):
                done = BatchProjection(store, Codec(Catalogue()), place.topics.log, checkpoints).project(batch)
                store.commit(done.writes)
                checkpoints = done.checkpoints
    return documents(place.mongodb_url, database)


def _first_checkpoints(place: Place, store: ProjectionStore) -> dict[str, Checkpoint]:
    """As the projector makes them when a partition is assigned for the first time."""
    admin = configuration.admin({"bootstrap.servers": place.bootstrap}, "fault-observer")
    identity = prepare_topics(admin, place.topics.specs, 3)
    found = {}
    for short, name in (("log", place.topics.log), ("downloads", place.topics.downloads)):
        for number in range(place.partitions):
            first = Checkpoint(short, number, identity.cluster_id, identity.topic_ids[name], 0, 0, bytes(32))
            found[first.id] = store.checkpoint(first)
    return found
