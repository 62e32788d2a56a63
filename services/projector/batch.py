"""One batch of records, folded in memory into the writes of one transaction."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bson.int64 import Int64

from services.projector.documents import (
    Document,
    ModelDocuments,
    Unprojectable,
    history_entry,
    search_entry,
    versions_needed,
)
from services.projector.statistics import PartitionStatistics, contribution
from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.domain.guard import Guard, StreamHead, Verdict
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope, OwnershipClaimed, Position
from tensorfleet.events.fold import head_of
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.projection_store import Checkpoint, ProjectionStore, Writes

_HOUR_MICROSECONDS = 3600 * 1_000_000


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
    """Folds one batch. `checkpoints` are those before it, by id; `log_topic` tells the log from the downloads."""

    def __init__(
        self, store: ProjectionStore, codec: Codec, log_topic: str, checkpoints: dict[str, Checkpoint]
    ) -> None:
        self._store = store
        self._codec = codec
        self._log_topic = log_topic
        self._before = dict(checkpoints)
        self._after = dict(checkpoints)
        self._writes = Writes()
        self._letters: list[DeadLetter] = []
        self._verdicts: Counter[str] = Counter()
        self._downloads: Counter[str] = Counter()
        self._hours: Counter[tuple[str, int]] = Counter()
        self._guards: dict[int, Guard] = {}
        self._statistics: dict[int, PartitionStatistics] = {}
        self._models: dict[str, Document] = {}
        self._versions: dict[str, Document] = {}
        self._parked: set[str] = set()

    def project(self, records: Sequence[Record]) -> Projected:
        decoded = [(record, self._decode(record)) for record in records]
        self._load([one for record, one in decoded if one is not None and record.topic == self._log_topic])
        for record, envelope in decoded:
            if record.topic == self._log_topic:
                self._log_record(record, envelope)
            else:
                self._download(record, envelope)
        self._writes.downloads, self._writes.download_hours = self._downloads, self._hours
        self._writes.statistics = {number: one.document(number) for number, one in self._statistics.items()}
        self._writes.checkpoints = [
            (self._before[key], after) for key, after in self._after.items() if after != self._before[key]
        ]
        return Projected(self._writes, self._after, self._letters, self._verdicts)

    def _decode(self, record: Record) -> Envelope | None:
        try:
            return self._codec.decode(record.value or b"")
        except Undecodable as error:
            self._letters.append(DeadLetter(record, "undecodable", str(error)))
            return None

    def _load(self, envelopes: list[Envelope]) -> None:
        models = {one.model_id for one in envelopes if one.model_id}
        versions = {
            f"{one.model_id}@{number}"
            for one in envelopes
            if not isinstance(one.event, OwnershipClaimed | ModelDownloaded)
            for number in versions_needed(one.event)
        }
        self._models, self._versions, self._parked = self._store.load(sorted(models), sorted(versions))

    def _log_record(self, record: Record, envelope: Envelope | None) -> None:
        if envelope is None or isinstance(envelope.event, ModelDownloaded):
            self._advance("log", record, None)
            return
        guard = self._guard(record.partition)
        if envelope.model_id not in guard.streams and envelope.model_id in self._models:
            model = self._models[envelope.model_id]
            guard.streams[envelope.model_id] = StreamHead(model["sequence"], bytes(model["head_hash"]))
        head = head_of(envelope, record.value or b"")
        verdict = guard.judge(head)
        self._verdicts[verdict] += 1
        if verdict is Verdict.ACCEPTED:
            self._accepted(record, envelope, head.hash)
        self._advance("log", record, head.hash if verdict is Verdict.ACCEPTED else None)

    def _accepted(self, record: Record, envelope: Envelope, hash_: bytes) -> None:
        model_id = envelope.model_id
        if model_id in self._parked:
            self._letters.append(DeadLetter(record, "parked", "an earlier event of this model could not be projected"))
            return
        before = self._models.get(model_id)
        # Shallow copies do: a projection replaces what a document holds, and never changes it in place.
        documents = ModelDocuments(
            None if before is None else dict(before), lambda number: self._copy_of_version(f"{model_id}@{number}")
        )
        position = Position(record.partition, record.offset)
        try:
            changed = documents.apply(envelope, position, hash_)
        except Unprojectable as error:
            self._park(record, model_id, str(error))
            return
        assert documents.model is not None
        self._models[model_id] = self._writes.models[model_id] = documents.model
        for version in documents.changed_versions.values():
            self._versions[version["_id"]] = self._writes.versions[version["_id"]] = version
        self._writes.history.append(history_entry(envelope, position, hash_, changed))
        self._count(record.partition, before, documents.model)
        found = search_entry(documents.model)
        if found != search_entry(before):
            self._writes.search[model_id] = found

    def _copy_of_version(self, version_id: str) -> Document | None:
        found = self._versions.get(version_id)
        return None if found is None else dict(found)

    def _park(self, record: Record, model_id: str, reason: str) -> None:
        self._letters.append(DeadLetter(record, "unprojectable", reason))
        self._parked.add(model_id)
        self._writes.parked[model_id] = {
            "_id": model_id,
            "reason": reason,
            "partition": record.partition,
            "offset": Int64(record.offset),
        }

    def _count(self, partition: int, before: Document | None, after: Document) -> None:
        if contribution(before) == contribution(after):
            return
        if partition not in self._statistics:
            self._statistics[partition] = PartitionStatistics.of(self._store.statistics(partition))
        self._statistics[partition].count(before, -1)
        self._statistics[partition].count(after, 1)

    def _download(self, record: Record, envelope: Envelope | None) -> None:
        if envelope is not None and isinstance(envelope.event, ModelDownloaded):
            self._downloads[envelope.model_id] += 1
            self._hours[envelope.model_id, envelope.occurred_at // _HOUR_MICROSECONDS] += 1
        elif envelope is not None:
            self._letters.append(DeadLetter(record, "not-a-download", "only downloads belong in this topic"))
        self._advance("downloads", record, hashlib.sha256(record.value or b"").digest())

    def _guard(self, partition: int) -> Guard:
        if partition not in self._guards:
            self._guards[partition] = Guard(epoch=self._before[f"log:{partition}"].epoch)
        return self._guards[partition]

    def _advance(self, topic: str, record: Record, hash_: bytes | None) -> None:
        """Move the partition's checkpoint past `record`; an accepted record's hash goes into the running hash."""
        key = f"{topic}:{record.partition}"
        now = self._after[key]
        running = now.running_hash if hash_ is None else hashlib.sha256(now.running_hash + hash_).digest()
        epoch = (
            self._guards[record.partition].epoch if topic == "log" and record.partition in self._guards else now.epoch
        )
        self._after[key] = replace(now, next_offset=record.offset + 1, epoch=epoch, running_hash=running)
