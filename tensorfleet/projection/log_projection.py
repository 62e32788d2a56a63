"""Folds records of the log into documents, in memory: what a batch is made of, and a replay of one model."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tensorfleet.domain.events import MetricsReported, ModelDownloaded
from tensorfleet.domain.fitting import Unfoldable
from tensorfleet.domain.guard import EMPTY_STREAM, Guard, StreamHead, Verdict
from tensorfleet.domain.parking import ParkedRecords
from tensorfleet.events.envelope import Envelope, OwnershipClaimed, Position
from tensorfleet.events.fold import WAITING, head_of, model_id_in
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.measurements import Point
from tensorfleet.mongo.writes import Writes
from tensorfleet.projection import parked as waiting
from tensorfleet.projection.baseline import Baseline
from tensorfleet.projection.changes import changes
from tensorfleet.projection.documents import (
    Document,
    ModelDocuments,
    history_entry,
    versions_needed,
)
from tensorfleet.projection.downloads import (
    Download,
    count_downloads,
    count_registration,
    count_totals,
    growths,
    listed,
)
from tensorfleet.projection.facets import count_id
from tensorfleet.projection.past import past_model, past_version
from tensorfleet.projection.search_entries import search_entry, searchable
from tensorfleet.projection.statistics import PartitionStatistics, counted

Decoded = tuple[Record, Envelope | None]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be projected, and why. `reason` is a short code, `detail` a sentence."""

    record: Record
    reason: str
    detail: str


class LogProjection:
    """`writes` grows with every record. `epochs` are those of the partitions before the first record, by number."""

    def __init__(self, baseline: Baseline, epochs: Mapping[int, int]) -> None:
        self.writes = Writes()
        self.letters: list[DeadLetter] = []
        self.verdicts: Counter[str] = Counter()
        self._baseline = baseline
        self._epochs = epochs
        self._models: dict[str, Document] = {}
        self._versions: dict[str, Document] = {}
        self._parked: dict[str, Document] = {}
        self._guards: dict[int, Guard] = {}
        self._statistics: dict[int, PartitionStatistics] = {}
        self._listed: dict[str, Document] = {}

    def load(self, log: Iterable[Decoded], more: Iterable[str] = ()) -> None:
        """Fetch all the documents that these records, and the models `more`, may change. ReadModelsUnavailable."""
        models, versions = set(more), set[str]()
        for record, envelope in log:
            model_id = model_id_in(record.key) if envelope is None else envelope.model_id
            if model_id:
                models.add(model_id)
            if envelope is not None and not isinstance(envelope.event, OwnershipClaimed | ModelDownloaded):
                versions.update(f"{model_id}@{number}" for number in versions_needed(envelope.event))
        self._baseline.load(models, versions)
        self._models, self._versions = dict(self._baseline.models), dict(self._baseline.versions)
        self._parked = dict(self._baseline.parked)

    def resume(self, parked: Document) -> None:
        """Go back to where this model was parked, as if nothing of it had been read since."""
        model_id = parked["_id"]
        self._guards[parked["partition"]] = guard = Guard(epoch=parked["epoch"])
        guard.streams[model_id] = head = waiting.head_before(parked)
        if model_id in self._models or head == EMPTY_STREAM:
            self._unpark(model_id)
        else:
            self._put_parked(waiting.only_head(model_id, parked["partition"], head))

    def project(self, record: Record, envelope: Envelope | None) -> bytes:
        """Fold one record; returns the SHA-256 of its value."""
        if envelope is None:
            self._park_unreadable(record)
            return hashlib.sha256(record.value or b"").digest()
        head = head_of(envelope, record.value or b"")
        if isinstance(envelope.event, ModelDownloaded):
            self.letters.append(DeadLetter(record, "not-an-event", "a download does not belong in the log"))
            return head.hash
        guard = self._guard_knowing(record.partition, envelope.model_id)
        verdict = guard.judge(head)
        self.verdicts[verdict] += 1
        parked = self._parked.get(envelope.model_id)
        if verdict in WAITING and parked is not None and waiting.waits(parked):
            self._behind_parked(record, envelope, verdict, parked)
        elif verdict is Verdict.ACCEPTED:
            self._accepted(record, envelope, head.hash)
        return head.hash

    def epoch(self, partition: int) -> int | None:
        """The epoch after the last record, if one of the partition was judged."""
        return self._guards[partition].epoch if partition in self._guards else None

    def finish(self, downloads: Sequence[Download] = ()) -> Writes:
        """`downloads` are those of the same batch: a counter holds what lists need of its model."""
        writes = self.writes
        writes.statistics = {number: one.document(number) for number, one in self._statistics.items()}
        writes.downloads, writes.download_hours = count_downloads(downloads, self._listed, self._baseline)
        writes.download_totals, writes.window_growths = count_totals(downloads), growths(downloads)
        return writes

    def _accepted(self, record: Record, envelope: Envelope, hash_: bytes) -> None:
        model_id = envelope.model_id
        before = self._models.get(model_id)
        # Shallow copies do: a projection replaces what a document holds, and never changes it in place.
        documents = ModelDocuments(
            None if before is None else dict(before), lambda number: self._copy_of_version(f"{model_id}@{number}")
        )
        position = Position(record.partition, record.offset)
        try:
            documents.apply(envelope, position, hash_)
        except Unfoldable as error:
            self.letters.append(DeadLetter(record, "unprojectable", str(error)))
            self._park(record, model_id, str(error), StreamHead(envelope.sequence - 1, envelope.previous_hash))
            return
        assert documents.model is not None
        self._models[model_id] = documents.model
        self.writes.models.put(model_id, documents.model, fresh=model_id not in self._baseline.models)
        if before is not None:
            self.writes.past_models.append(past_model(before, record.offset))
        was, version = None, None
        for version in documents.changed_versions.values():
            was = self._put_version(version, record.offset)
        difference = changes(before, documents.model, was, version)
        changed_counts = self._count(position, before, documents.model)
        self.writes.history.append(history_entry(envelope, position, hash_, difference, changed_counts))
        if isinstance(envelope.event, MetricsReported):
            self._measure(model_id, envelope.sequence, envelope.event)
        self._count_facets(record.partition, before, documents.model)
        if searchable(before) != searchable(documents.model):
            fresh = not self._baseline.has_search_entry(model_id)
            self.writes.search.put(model_id, search_entry(documents.model), fresh=fresh)
        if model_id in self._parked:
            self._unpark(model_id)

    def _put_version(self, version: Document, offset: int) -> Document | None:
        """Returns what the version was before; None if it is new."""
        key = version["_id"]
        before = self._versions.get(key)
        if before is not None:
            self.writes.past_versions.append(past_version(before, offset))
        self._versions[key] = version
        self.writes.versions.put(key, version, fresh=key not in self._baseline.versions)
        return before

    def _measure(self, model_id: str, sequence: int, event: MetricsReported) -> None:
        for metric, value in event.metrics.items():
            point = Point(event.recorded_at, sequence, value, event.step, event.source)
            self.writes.measured.add(model_id, metric, event.version, point)

    def _copy_of_version(self, version_id: str) -> Document | None:
        found = self._versions.get(version_id)
        return None if found is None else dict(found)

    def _park_unreadable(self, record: Record) -> None:
        """What follows a record that can't be decoded may build on it: the model waits, as far as the key names one."""
        model_id = model_id_in(record.key)
        if model_id is None:
            return
        parked = self._parked.get(model_id)
        if parked is not None and waiting.waits(parked):
            self._put_parked(waiting.with_next(parked, record.offset))
            return
        guard = self._guard_knowing(record.partition, model_id)
        self._park(record, model_id, "a record can't be decoded", guard.streams.get(model_id, EMPTY_STREAM))

    def _park(self, record: Record, model_id: str, reason: str, before: StreamHead) -> None:
        guard = self._guards[record.partition]
        position = Position(record.partition, record.offset)
        head = guard.streams.get(model_id, EMPTY_STREAM)
        self._put_parked(waiting.begin(model_id, reason, position, guard.epoch, before, head))

    def _behind_parked(self, record: Record, envelope: Envelope, verdict: Verdict, parked: Document) -> None:
        head = self._guards[record.partition].streams.get(envelope.model_id, EMPTY_STREAM)
        records = ParkedRecords(parked["offset"], parked["last_offset"])
        if verdict is not Verdict.ACCEPTED or not records.discarded_by(envelope.event):
            self.letters.append(DeadLetter(record, "parked", "an earlier record of this model could not be projected"))
            self._put_parked(waiting.with_next(parked, record.offset, head))
            return
        position, model = Position(record.partition, record.offset), self._models.get(envelope.model_id)
        self.writes.history.append(history_entry(envelope, position, head.hash, [], None))
        if model is None:
            self._put_parked(waiting.only_head(envelope.model_id, record.partition, head))
            return
        self.writes.past_models.append(past_model(model, record.offset))
        documents = ModelDocuments(dict(model), self._copy_of_version)
        documents.move_to(envelope, position, head.hash)
        assert documents.model is not None
        self._models[envelope.model_id] = documents.model
        fresh = envelope.model_id not in self._baseline.models
        self.writes.models.put(envelope.model_id, documents.model, fresh=fresh)
        self._unpark(envelope.model_id)

    def _put_parked(self, document: Document) -> None:
        self._parked[document["_id"]] = self.writes.parked[document["_id"]] = document

    def _unpark(self, model_id: str) -> None:
        self._parked.pop(model_id, None)
        self.writes.parked[model_id] = None

    def _count(self, position: Position, before: Document | None, after: Document) -> list[Any] | None:
        """Returns what the history keeps of it."""
        partition, entry = position.partition, listed(after)
        if entry is not None and entry != listed(before):
            self._listed[after["_id"]] = entry
            count_registration(self.writes.registration_hours, partition, before, after)
        found = counted(before, after)
        if found is None:
            return None
        if partition not in self._statistics:
            self._statistics[partition] = self._baseline.statistics(partition)
        copy = self._statistics[partition].begin_block(partition, position.offset)
        if copy is not None:
            self.writes.past_statistics.append(copy)
        self._statistics[partition].count(before, -1)
        self._statistics[partition].count(after, 1)
        return found

    def _count_facets(self, partition: int, before: Document | None, after: Document) -> None:
        """A facet that comes and goes within the batch has a counter too: the batches must not show."""
        had = [] if before is None else before["facets"]
        if had == after["facets"]:
            return
        for facet in after["facets"]:
            self.writes.facet_counts[count_id(partition, facet)] += 1
        for facet in had:
            self.writes.facet_counts[count_id(partition, facet)] -= 1

    def _guard_knowing(self, partition: int, model_id: str) -> Guard:
        """The partition's guard, with the head of the model's stream as the documents have it."""
        guard = self._guards.get(partition)
        if guard is None:
            guard = self._guards[partition] = Guard(epoch=self._epochs[partition])
        if model_id not in guard.streams:
            known = self._parked.get(model_id) or self._models.get(model_id)
            if known is not None:
                guard.streams[model_id] = StreamHead(known["sequence"], bytes(known["head_hash"]))
        return guard
