"""The projector's side of MongoDB: loads what a batch touches, writes it in one transaction with its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bson.int64 import Int64
from pymongo import MongoClient, ReplaceOne, UpdateOne, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern

from tensorfleet.domain.errors import CheckpointTaken, ReadModelsUnavailable
from tensorfleet.mongo.read_models import ensure_indexes

Document = dict[str, Any]
COLLECTIONS: Final = {
    "models",
    "versions",
    "history",
    "search",
    "statistics",
    "parked",
    "download_counters",
    "download_hours",
    "checkpoints",
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the read models contain a partition: everything before `next_offset`, last under `epoch`.

    `running_hash` is over all accepted records so far, so that two that read different logs can't agree by chance.
    """

    topic: str
    partition: int
    cluster_id: str
    topic_id: str
    next_offset: int
    epoch: int
    running_hash: bytes

    @property
    def id(self) -> str:
        return f"{self.topic}:{self.partition}"


@dataclass(slots=True)
class Writes:
    """Everything one batch changes. `checkpoints` are pairs of what must be there now and what shall be."""

    models: dict[str, Document] = field(default_factory=dict)
    versions: dict[str, Document] = field(default_factory=dict)
    history: list[Document] = field(default_factory=list)
    search: dict[str, Document | None] = field(default_factory=dict)
    statistics: dict[int, Document] = field(default_factory=dict)
    parked: dict[str, Document] = field(default_factory=dict)
    downloads: Mapping[str, int] = field(default_factory=dict)
    download_hours: Mapping[tuple[str, int], int] = field(default_factory=dict)
    checkpoints: list[tuple[Checkpoint, Checkpoint]] = field(default_factory=list)


class ProjectionStore:
    """ReadModelsUnavailable while MongoDB does not answer; then nothing, or all of a batch, was written."""

    def __init__(self, client: MongoClient[Document], database: str) -> None:
        self._client = client
        self._db = client.get_database(
            database, write_concern=WriteConcern("majority"), read_concern=ReadConcern("majority")
        )

    def prepare(self) -> None:
        """Create collections and indexes that are missing: a transaction should never have to."""
        try:
            present = set(self._db.list_collection_names())
            for name in sorted(COLLECTIONS - present):
                self._db.create_collection(name)
            ensure_indexes(self._db)
        except PyMongoError as error:
            raise _translated(error) from error

    def checkpoint(self, initial: Checkpoint) -> Checkpoint:
        """The partition's checkpoint, made from `initial` if there is none."""
        try:
            found = self._db.checkpoints.find_one({"_id": initial.id})
            if found is None:
                self._db.checkpoints.insert_one(_checkpoint_document(initial))
                return initial
        except DuplicateKeyError:
            return self.checkpoint(initial)
        except PyMongoError as error:
            raise _translated(error) from error
        return Checkpoint(
            initial.topic,
            initial.partition,
            found["cluster_id"],
            found["topic_id"],
            found["next_offset"],
            found["epoch"],
            bytes(found["running_hash"]),
        )

    def load(
        self, model_ids: Iterable[str], version_ids: Iterable[str]
    ) -> tuple[dict[str, Document], dict[str, Document], set[str]]:
        """The documents of models and versions by `_id`, and which of the models are parked."""
        try:
            ids = list(model_ids)
            models = {one["_id"]: one for one in self._db.models.find({"_id": {"$in": ids}})} if ids else {}
            numbers = list(version_ids)
            versions = {one["_id"]: one for one in self._db.versions.find({"_id": {"$in": numbers}})} if numbers else {}
            parked = {one["_id"] for one in self._db.parked.find({"_id": {"$in": ids}}, {"_id": 1})} if ids else set()
        except PyMongoError as error:
            raise _translated(error) from error
        return models, versions, parked

    def statistics(self, partition: int) -> Document | None:
        try:
            return self._db.statistics.find_one({"_id": partition})
        except PyMongoError as error:
            raise _translated(error) from error

    def commit(self, writes: Writes) -> None:
        """Write it all, or nothing. CheckpointTaken if a checkpoint is not what this projector left."""
        try:
            with self._client.start_session() as session:
                session.with_transaction(lambda one: self._write(one, writes), read_concern=ReadConcern("snapshot"))
        except PyMongoError as error:
            raise _translated(error) from error

    def _write(self, session: ClientSession, writes: Writes) -> None:
        for before, after in writes.checkpoints:
            self._move(session, before, after)
        for collection, documents in (
            (self._db.models, writes.models.values()),
            (self._db.versions, writes.versions.values()),
            (self._db.statistics, writes.statistics.values()),
            (self._db.parked, writes.parked.values()),
        ):
            puts = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents]
            if puts:
                collection.bulk_write(puts, ordered=False, session=session)
        if writes.history:
            self._db.history.insert_many(writes.history, ordered=False, session=session)
        self._write_search(session, writes)
        self._count_downloads(session, writes)

    def _move(self, session: ClientSession, before: Checkpoint, after: Checkpoint) -> None:
        moved = self._db.checkpoints.update_one(
            {"_id": before.id, "next_offset": before.next_offset, "running_hash": before.running_hash},
            {
                "$set": {
                    "next_offset": Int64(after.next_offset),
                    "epoch": Int64(after.epoch),
                    "running_hash": after.running_hash,
                }
            },
            session=session,
        )
        if moved.matched_count != 1:
            raise CheckpointTaken(
                f"The checkpoint {before.id} is no longer at {before.next_offset}: another projector is at work."
            )

    def _write_search(self, session: ClientSession, writes: Writes) -> None:
        gone = [model_id for model_id, document in writes.search.items() if document is None]
        if gone:
            self._db.search.delete_many({"_id": {"$in": gone}}, session=session)
        puts = [ReplaceOne({"_id": key}, one, upsert=True) for key, one in writes.search.items() if one is not None]
        if puts:
            self._db.search.bulk_write(puts, ordered=False, session=session)

    def _count_downloads(self, session: ClientSession, writes: Writes) -> None:
        if not writes.downloads:
            return
        totals = [
            UpdateOne({"_id": model_id}, {"$inc": {"downloads": Int64(number)}}, upsert=True)
            for model_id, number in writes.downloads.items()
        ]
        hours = [
            UpdateOne(
                {"_id": f"{model_id}:{hour}"},
                {"$inc": {"downloads": Int64(number)}, "$setOnInsert": {"model_id": model_id, "hour": Int64(hour)}},
                upsert=True,
            )
            for (model_id, hour), number in writes.download_hours.items()
        ]
        self._db.download_counters.bulk_write(totals, ordered=False, session=session)
        self._db.download_hours.bulk_write(hours, ordered=False, session=session)


def _checkpoint_document(one: Checkpoint) -> Document:
    return {
        "_id": one.id,
        "cluster_id": one.cluster_id,
        "topic_id": one.topic_id,
        "partition": one.partition,
        "next_offset": Int64(one.next_offset),
        "epoch": Int64(one.epoch),
        "running_hash": one.running_hash,
    }


def _translated(error: PyMongoError) -> Exception:
    if isinstance(error, ConnectionFailure) or error.has_error_label("TransientTransactionError"):
        return ReadModelsUnavailable(f"MongoDB does not answer: {type(error).__name__}")
    return error
