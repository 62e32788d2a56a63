"""One batch of records, folded in memory into the writes of one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.int64 import Int64

from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.domain.guard import Guard, StreamHead, Verdict
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope, OwnershipClaimed, Position
from tensorfleet.events.fold import head_of, model_id_in
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.projection_store import Checkpoint, ProjectionStore, Writes
from tensorfleet.projection.baseline import Baseline
from tensorfleet.projection.changes import changes
from tensorfleet.projection.documents import (
    Document,
    ModelDocuments,
    Unprojectable,
    history_entry,
    search_entry,
    searchable,
    versions_needed,
)
from tensorfleet.projection.download_times import DownloadTimes
from tensorfleet.projection.downloads import Bucket, bucket_of, count_downloads
from tensorfleet.projection.past import past_model, past_version
from tensorfleet.projection.progress import Progress
from tensorfleet.projection.statistics import PartitionStatistics, counted

Decoded = tuple[Record, Envelope | None]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be projected, and why. `reason` is a short code, `detail` a sentence."""

    record: Record
    reason: str
    detail: str


@dataclass(slots=True)
class Projected:
    """`checkpoints` are those after the batch, by id."""

    writes: Writes
    checkpoints: dict[str, Checkpoint]
    dead_letters: list[DeadLetter]
    verdicts: Counter[str] = field(default_factory=Counter)


class BatchProjection:
    """Folds one batch. `checkpoints` are those before it, by id; `log_topic` tells the log from the downloads.

    `unfinished` are the writes of the batch before, if their transaction may still be under way.
    """

    def __init__(
        self,
        store: ProjectionStore,
        codec: Codec,
        log_topic: str,
        checkpoints: dict[str, Checkpoint],
        unfinished: Writes | None = None,
    ) -> None:
        self._codec = codec
        self._log_topic = log_topic
        self._before = checkpoints
        self._baseline = Baseline(store, unfinished or Writes())
        self._models: dict[str, Document] = {}
        self._versions: dict[str, Document] = {}
        self._parked: dict[str, Document] = {}
        self._guards: dict[int, Guard] = {}
        self._progress: dict[tuple[str, int], Progress] = {}
        self._statistics: dict[int, PartitionStatistics] = {}
        self._writes = Writes()
        self._times = DownloadTimes(self._writes.download_times)
        self._letters: list[DeadLetter] = []
        self._verdicts: Counter[str] = Counter()

    def project(self, records: Sequence[Record]) -> Projected:
        """LogLost if the records do not follow the checkpoints without a gap; records from before them are left out."""
        log, downloads = self._decoded(records)
        self._load(log)
        for record, envelope in log:
            self._log_record(record, envelope)
        self._writes.downloads, self._writes.download_hours = count_downloads(downloads, self._baseline)
        self._writes.statistics = {number: one.document(number) for number, one in self._statistics.items()}
        self._writes.checkpoints = [
            (one.start, one.checkpoint(self._epoch_of(place))) for place, one in self._progress.items() if one.moved
        ]
        after = {one.id: one for _, one in self._writes.checkpoints}
        return Projected(self._writes, {**self._before, **after}, self._letters, self._verdicts)

    def _decoded(self, records: Sequence[Record]) -> tuple[list[Decoded], list[Bucket]]:
        """The records of the log, and the downloads; each download is behind its checkpoint with this."""
        log: list[Decoded] = []
        downloads: list[Bucket] = []
        for record in records:
            place = record.topic, record.partition
            progress = self._progress.get(place) or self._start(place)
            if not progress.expects(record):
                continue
            envelope = self._decode(record)
            if record.topic == self._log_topic:
                log.append((record, envelope))
                continue
            progress.fold(record.value or b"")
            if envelope is not None and isinstance(envelope.event, ModelDownloaded):
                downloads.append(bucket_of(envelope))
                self._times.add(record, envelope)
            elif envelope is not None:
                self._letters.append(DeadLetter(record, "not-a-download", "only downloads belong in this topic"))
        return log, downloads

    def _start(self, place: tuple[str, int]) -> Progress:
        topic, partition = place
        key = f"{'log' if topic == self._log_topic else 'downloads'}:{partition}"
        progress = self._progress[place] = Progress(self._before[key])
        return progress

    def _decode(self, record: Record) -> Envelope | None:
        try:
            return self._codec.decode(record.value or b"")
        except Undecodable as error:
            self._letters.append(DeadLetter(record, "undecodable", str(error)))
            return None

    def _load(self, log: list[Decoded]) -> None:
        envelopes = [envelope for _, envelope in log if envelope is not None]
        unreadable = {model_id_in(record.key) for record, envelope in log if envelope is None}
        models = {one.model_id for one in envelopes if one.model_id} | {one for one in unreadable if one}
        versions = {
            f"{one.model_id}@{number}"
            for one in envelopes
            if not isinstance(one.event, OwnershipClaimed | ModelDownloaded)
            for number in versions_needed(one.event)
        }
        self._baseline.load(models, versions)
        self._models, self._versions = dict(self._baseline.models), dict(self._baseline.versions)
        self._parked = dict(self._baseline.parked)

    def _log_record(self, record: Record, envelope: Envelope | None) -> None:
        if envelope is None:
            self._park_unreadable(record)
            return
        if isinstance(envelope.event, ModelDownloaded):
            self._letters.append(DeadLetter(record, "not-an-event", "a download does not belong in the log"))
            return
        guard = self._guard(record.partition)
        parked = self._parked.get(envelope.model_id)
        if parked is not None and parked["head_hash"] is None:
            if envelope.epoch == guard.epoch:
                self._bury_parked(record)
            return
        known = parked or self._models.get(envelope.model_id)
        if envelope.model_id not in guard.streams and known is not None:
            guard.streams[envelope.model_id] = StreamHead(known["sequence"], bytes(known["head_hash"]))
        head = head_of(envelope, record.value or b"")
        verdict = guard.judge(head)
        self._verdicts[verdict] += 1
        if verdict is Verdict.ACCEPTED:
            self._progress[record.topic, record.partition].fold(head.hash)
            self._accepted(record, envelope, head.hash)

    def _accepted(self, record: Record, envelope: Envelope, hash_: bytes) -> None:
        model_id = envelope.model_id
        if model_id in self._parked:
            self._bury_parked(record)
            self._put_parked({**self._parked[model_id], "sequence": Int64(envelope.sequence), "head_hash": hash_})
            return
        before = self._models.get(model_id)
        # Shallow copies do: a projection replaces what a document holds, and never changes it in place.
        documents = ModelDocuments(
            None if before is None else dict(before), lambda number: self._copy_of_version(f"{model_id}@{number}")
        )
        position = Position(record.partition, record.offset)
        try:
            documents.apply(envelope, position, hash_)
        except Unprojectable as error:
            self._letters.append(DeadLetter(record, "unprojectable", str(error)))
            self._put_parked(_parked_document(record, model_id, str(error), envelope.sequence, hash_))
            return
        assert documents.model is not None
        self._models[model_id] = documents.model
        self._writes.models.put(model_id, documents.model, fresh=model_id not in self._baseline.models)
        if before is not None:
            self._writes.past_models.append(past_model(before, record.offset))
        was, version = None, None
        for version in documents.changed_versions.values():
            was = self._put_version(version, record.offset)
        difference = changes(before, documents.model, was, version)
        changed_counts = self._count(position, before, documents.model)
        self._writes.history.append(history_entry(envelope, position, hash_, difference, changed_counts))
        if searchable(before) != searchable(documents.model):
            fresh = not self._baseline.has_search_entry(model_id)
            self._writes.search.put(model_id, search_entry(documents.model), fresh=fresh)

    def _put_version(self, version: Document, offset: int) -> Document | None:
        """Returns what the version was before; None if it is new."""
        key = version["_id"]
        before = self._versions.get(key)
        if before is not None:
            self._writes.past_versions.append(past_version(before, offset))
        self._versions[key] = version
        self._writes.versions.put(key, version, fresh=key not in self._baseline.versions)
        return before

    def _copy_of_version(self, version_id: str) -> Document | None:
        found = self._versions.get(version_id)
        return None if found is None else dict(found)

    def _park_unreadable(self, record: Record) -> None:
        """What follows a record that can't be decoded may build on it: the model waits, as far as the key names one."""
        model_id = model_id_in(record.key)
        if model_id is not None and model_id not in self._parked:
            self._put_parked(_parked_document(record, model_id, "a record can't be decoded", None, None))

    def _bury_parked(self, record: Record) -> None:
        self._letters.append(DeadLetter(record, "parked", "an earlier record of this model could not be projected"))

    def _put_parked(self, document: Document) -> None:
        self._parked[document["_id"]] = self._writes.parked[document["_id"]] = document

    def _count(self, position: Position, before: Document | None, after: Document) -> list[Any] | None:
        """Returns what the history keeps of it."""
        found = counted(before, after)
        if found is None:
            return None
        partition = position.partition
        if partition not in self._statistics:
            self._statistics[partition] = self._baseline.statistics(partition)
        copy = self._statistics[partition].begin_block(partition, position.offset)
        if copy is not None:
            self._writes.past_statistics.append(copy)
        self._statistics[partition].count(before, -1)
        self._statistics[partition].count(after, 1)
        return found

    def _guard(self, partition: int) -> Guard:
        if partition not in self._guards:
            self._guards[partition] = Guard(epoch=self._before[f"log:{partition}"].epoch)
        return self._guards[partition]

    def _epoch_of(self, place: tuple[str, int]) -> int | None:
        """The epoch after the batch, if a record of the log was judged."""
        topic, partition = place
        return self._guards[partition].epoch if topic == self._log_topic and partition in self._guards else None


def _parked_document(
    record: Record, model_id: str, reason: str, sequence: int | None, head_hash: bytes | None
) -> Document:
    """Where a model began to wait, and the head of its stream since; no head if its records can't be judged."""
    return {
        "_id": model_id,
        "reason": reason,
        "partition": record.partition,
        "offset": Int64(record.offset),
        "sequence": None if sequence is None else Int64(sequence),
        "head_hash": head_hash,
    }
