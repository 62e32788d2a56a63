"""The projector's side of MongoDB: loads what a batch touches, writes it in one transaction with its checkpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from bson.int64 import Int64
from pymongo import MongoClient, ReplaceOne, ReturnDocument, UpdateOne, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from tensorfleet.domain.errors import BatchTooLarge, CheckpointTaken
from tensorfleet.mongo.counters import write_counts, write_totals
from tensorfleet.mongo.download_windows import DOWNLOAD_WINDOWS, grow, mark_deleted
from tensorfleet.mongo.faults import translated_error
from tensorfleet.mongo.measurements import METRIC_CHUNKS, METRIC_SERIES, write_measured
from tensorfleet.mongo.read_models import ensure_indexes
from tensorfleet.mongo.replay_requests import ReplayRequests
from tensorfleet.mongo.shape import claim_shape
from tensorfleet.mongo.writes import Checkpoint, Document, Puts, Writes

COLLECTIONS: Final = {
    "models",
    "versions",
    "history",
    METRIC_SERIES,
    METRIC_CHUNKS,
    "search",
    "statistics",
    "facet_counts",
    "parked",
    "download_counters",
    "download_hours",
    "download_totals",
    "registration_hours",
    "checkpoints",
    "past_models",
    "past_versions",
    "past_statistics",
    "download_times",
}
_EXISTS: Final = 48
_WRITE_CONFLICT: Final = 112
SMALL_BATCH: Final = 100
"""Records whose changes hardly ever outgrow a cache."""
_ATTEMPTS: Final = 2
_ATTEMPTS_OF_SMALL: Final = 20
HAND_OVER: Final = "hand_over"
"""The collection, with one document of the same `_id`, by which a generation goes from who fills it to projectors."""


WRITERS: Final = "writers"
"""By checkpoint: the session in which its projector writes. No read model, and never compared."""


class ProjectionStore:
    """ReadModelsUnavailable while MongoDB does not answer; then nothing, or all of a batch, was written."""

    def __init__(self, client: MongoClient[Document], database: str) -> None:
        self._client = client
        self._db = client.get_database(
            database, write_concern=WriteConcern("majority"), read_concern=ReadConcern("majority")
        )
        self._session = client.start_session()
        self._session_id = self._session.session_id["id"]

    def prepare(self) -> None:
        """Create collections and indexes that are missing: a transaction should never have to."""
        self.make_collections()
        try:
            ensure_indexes(self._db)
        except PyMongoError as error:
            raise translated_error(error) from error

    def make_collections(self) -> None:
        try:
            present = set(self._db.list_collection_names())
            for name in sorted({*COLLECTIONS, DOWNLOAD_WINDOWS} - present):
                self._make_collection(name)
        except PyMongoError as error:
            raise translated_error(error) from error

    def _make_collection(self, name: str) -> None:
        """Another projector that starts at the same moment makes the same ones."""
        try:
            self._db.create_collection(name, check_exists=False)
        except OperationFailure as error:
            if error.code != _EXISTS:
                raise

    def checkpoint(self, initial: Checkpoint) -> Checkpoint:
        """The partition's checkpoint, made from `initial` if there is none; whoever fills the generation lets go.

        ReadModelsOutdated if the documents have another shape than ours.
        """
        try:
            claim_shape(self._db)
            self._take_over(initial.id)
            self._end_transaction_of_predecessor(initial.id)
            found = self._db.checkpoints.find_one({"_id": initial.id})
            if found is None:
                self._db.checkpoints.insert_one(_checkpoint_document(initial))
                return initial
        except DuplicateKeyError:
            return self.checkpoint(initial)
        except PyMongoError as error:
            raise translated_error(error) from error
        return checkpoint_of(found)

    def _take_over(self, checkpoint_id: str) -> None:
        """From here on, no commit of a FillingStore moves this checkpoint: both change one document."""
        self._db[HAND_OVER].update_one({"_id": HAND_OVER}, {"$addToSet": {"taken": checkpoint_id}})

    def _end_transaction_of_predecessor(self, checkpoint_id: str) -> None:
        """A projector that was killed in the midst of a transaction would lock what it wrote for a minute or more.

        So each leaves its session's id. One that lives, and has a transaction under way, meets CommitInterrupted.
        """
        own = self._session_id
        before = self._db[WRITERS].find_one_and_update(
            {"_id": checkpoint_id}, {"$set": {"session": own}}, upsert=True, return_document=ReturnDocument.BEFORE
        )
        if before is not None and before["session"] != own:
            self._client.admin.command("killSessions", [{"id": before["session"]}])

    @property
    def replay_requests(self) -> ReplayRequests:
        return ReplayRequests(self._db)

    def parked_models(self) -> Counter[int]:
        """How many wait for an operator, by partition."""
        try:
            waiting = self._db.parked.find({"reason": {"$ne": None}}, {"partition": 1})
            return Counter(one["partition"] for one in waiting)
        except PyMongoError as error:
            raise translated_error(error) from error

    def load(
        self, model_ids: Iterable[str], version_ids: Iterable[str]
    ) -> tuple[dict[str, Document], dict[str, Document], dict[str, Document]]:
        """The documents of models and versions by `_id`, and those of parked models."""
        try:
            ids = list(model_ids)
            models = {one["_id"]: one for one in self._db.models.find({"_id": {"$in": ids}})} if ids else {}
            numbers = list(version_ids)
            versions = {one["_id"]: one for one in self._db.versions.find({"_id": {"$in": numbers}})} if numbers else {}
            parked = {one["_id"]: one for one in self._db.parked.find({"_id": {"$in": ids}})} if ids else {}
        except PyMongoError as error:
            raise translated_error(error) from error
        return models, versions, parked

    def known_counters(self, model_ids: Iterable[str], hour_ids: Iterable[str]) -> tuple[set[str], set[str]]:
        """Which of the counters, and of the hourly ones, exist."""
        try:
            return _present(self._db.download_counters, model_ids), _present(self._db.download_hours, hour_ids)
        except PyMongoError as error:
            raise translated_error(error) from error

    def statistics(self, partition: int) -> Document | None:
        try:
            return self._db.statistics.find_one({"_id": partition})
        except PyMongoError as error:
            raise translated_error(error) from error

    def commit(self, writes: Writes) -> None:
        """Write it all, or nothing. CheckpointTaken if a checkpoint is not what this projector left.

        BatchTooLarge if MongoDB says that it is, or takes it back as if it had met another writer, and again: so it
        does with what outgrows its cache. A small one may really have met others, and has more attempts.
        """
        left = _ATTEMPTS if writes.records > SMALL_BATCH else _ATTEMPTS_OF_SMALL

        def write(session: ClientSession) -> None:
            nonlocal left
            try:
                self._write(session, writes)
            except OperationFailure as error:
                left -= error.code == _WRITE_CONFLICT
                if left <= 0:
                    raise BatchTooLarge(f"MongoDB took back a transaction of {writes.records} records.") from error
                raise

        try:
            self._session.with_transaction(write, read_concern=ReadConcern("snapshot"))
        except PyMongoError as error:
            raise translated_error(error) from error

    def _write(self, session: ClientSession, writes: Writes) -> None:
        # First: what another projector has written already would be inserted twice, and tell nothing of the rival.
        self._move(session, writes.checkpoints)
        self._insert(session, writes)
        self._write_changes(session, writes)

    def _write_changes(self, session: ClientSession | None, writes: Writes) -> None:
        """All but the `inserts` and the checkpoints."""
        _put(self._db.models, writes.models, session)
        _put(self._db.versions, writes.versions, session)
        _put(self._db.search, writes.search, session)
        _upsert(self._db.statistics, writes.statistics.values(), session)
        _add(self._db.facet_counts, writes.facet_counts, session)
        _upsert(self._db.parked, [one for one in writes.parked.values() if one is not None], session)
        unparked = [key for key, one in writes.parked.items() if one is None]
        if unparked:
            self._db.parked.delete_many({"_id": {"$in": unparked}}, session=session)
        _append(self._db.download_times, writes.download_times, session)
        write_measured(self._db, writes.measured, session)
        write_counts(self._db.download_counters, writes.downloads, session)
        write_counts(self._db.download_hours, writes.download_hours, session)
        write_totals(self._db.download_totals, "downloads", writes.download_totals, session)
        write_totals(self._db.registration_hours, "models", writes.registration_hours, session)
        grow(self._db[DOWNLOAD_WINDOWS], writes.window_growths, session)
        mark_deleted(self._db[DOWNLOAD_WINDOWS], writes.downloads.changed, session)

    def _insert(self, session: ClientSession | None, writes: Writes) -> None:
        for name, documents in writes.inserts.items():
            if documents:
                self._db[name].insert_many(documents, ordered=False, session=session)

    def _move(self, session: ClientSession | None, checkpoints: list[tuple[Checkpoint, Checkpoint]]) -> None:
        """Compare and set, all at once."""
        moves = [
            UpdateOne(
                {
                    "_id": before.id,
                    "next_offset": before.next_offset,
                    "running_hash": before.running_hash,
                    "replays": before.replays or None,  # null finds what has no such member, too
                },
                {
                    "$set": {
                        "next_offset": Int64(after.next_offset),
                        "epoch": Int64(after.epoch),
                        "running_hash": after.running_hash,
                        **({"replays": after.replays} if after.replays else {}),
                    }
                },
            )
            for before, after in checkpoints
        ]
        if self._db.checkpoints.bulk_write(moves, ordered=False, session=session).matched_count != len(moves):
            expected = ", ".join(f"{before.id} at {before.next_offset}" for before, _ in checkpoints)
            raise CheckpointTaken(f"Of the checkpoints {expected}, one has moved: another projector is at work.")


def _present(collection: Collection[Document], ids: Iterable[str]) -> set[str]:
    asked = list(ids)
    return {one["_id"] for one in collection.find({"_id": {"$in": asked}}, {"_id": 1})} if asked else set()


def _put(collection: Collection[Document], puts: Puts, session: ClientSession | None) -> None:
    """New documents are inserted, for a replacement costs the server four times as much."""
    new = [one for key, one in puts.documents.items() if key in puts.fresh and one is not None]
    kept = {key: one for key, one in puts.documents.items() if key not in puts.fresh}
    gone = [key for key, one in kept.items() if one is None]
    changed = [ReplaceOne({"_id": key}, one) for key, one in kept.items() if one is not None]
    if gone:
        collection.delete_many({"_id": {"$in": gone}}, session=session)
    if new:
        collection.insert_many(new, ordered=False, session=session)
    if changed:
        collection.bulk_write(changed, ordered=False, session=session)


def _upsert(collection: Collection[Document], documents: Iterable[Document], session: ClientSession | None) -> None:
    puts = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents]
    if puts:
        collection.bulk_write(puts, ordered=False, session=session)


def _add(collection: Collection[Document], models: Counter[str], session: ClientSession | None) -> None:
    """Counters that are not there yet are made, also for nothing: which ones there are must not tell of batches."""
    added = [UpdateOne({"_id": key}, {"$inc": {"models": Int64(n)}}, upsert=True) for key, n in models.items()]
    if added:
        collection.bulk_write(added, ordered=False, session=session)


def _append(collection: Collection[Document], pages: dict[str, Document], session: ClientSession | None) -> None:
    """Add to the `downloads` of each page; one that is not there yet begins with its `hour`."""
    grown = [
        UpdateOne(
            {"_id": key},
            {"$setOnInsert": {"hour": page["hour"]}, "$push": {"downloads": {"$each": page["downloads"]}}},
            upsert=True,
        )
        for key, page in pages.items()
    ]
    if grown:
        collection.bulk_write(grown, ordered=False, session=session)


def checkpoint_of(document: Document) -> Checkpoint:
    topic, _, partition = str(document["_id"]).partition(":")
    return Checkpoint(
        topic,
        int(partition),
        document["cluster_id"],
        document["topic_id"],
        document["next_offset"],
        document["epoch"],
        bytes(document["running_hash"]),
        document.get("replays", 0),
    )


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
