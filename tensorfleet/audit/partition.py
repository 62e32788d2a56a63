"""The audit of one partition of the log: the same fold as everywhere, and every verdict judged.

For a reader of the log a void record is nothing. An auditor tells apart the void records of owners that were fenced
off, which are legal, from those that no owner can have written: an owner appends under its own epoch only what
continues a stream, so `gap`, `repeat` and `chain` under the current epoch mean that the log was edited.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import assert_never

from tensorfleet.audit.findings import Findings, Kind
from tensorfleet.domain.events import ModelFileAttached, ParkedRecordsDiscarded
from tensorfleet.domain.guard import StreamHead, Verdict
from tensorfleet.domain.model import LiveModel
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, OwnershipClaimed, Position
from tensorfleet.events.fold import Judged, LogFold, model_id_in
from tensorfleet.events.stored import StoredRecord


@dataclass(frozen=True, slots=True)
class BlobReference:
    """A blob that an accepted event names. `position` is that event's."""

    checksum: str
    size_bytes: int
    position: Position


class PartitionAudit:
    """`add` every record in order, then `finish`. `partitions` is the number that the topic has.

    After a violation the audit goes on as if the record fitted, so that one edit is one finding and not a thousand.
    """

    def __init__(
        self, number: int, partitions: int, codec: Codec, findings: Findings, event_ids: set[bytes], *, whole: bool
    ) -> None:
        """`whole`: every offset from 0 on must be there. `event_ids` is shared by all partitions."""
        self._number = number
        self._partitions = partitions
        self._findings = findings
        self._event_ids = event_ids
        self._whole = whole
        self._fold = LogFold(codec)
        self._next_offset = 0
        self._last: dict[str, int] = {}
        self._broken: set[str] = set()
        self._until_discarded: dict[str, list[tuple[Kind, Position]]] = {}
        self.references: dict[tuple[str, int], BlobReference] = {}

    @property
    def streams(self) -> int:
        return len(self._last)

    def add(self, record: StoredRecord) -> None:
        self._check_offset(record.offset)
        self._count("records")
        judged = self._fold.apply(record.offset, record.key, record.value)
        if judged.envelope is None or judged.verdict is None:
            self._wrong_until_discarded(Kind.UNREADABLE, record, model_id_in(record.key), judged.problem or "")
            return
        self._check_place(record, judged.envelope)
        self._judge(record, judged.verdict, judged)

    def finish(self, end: int) -> None:
        if self._whole and self._next_offset < end:
            self._hole(end)

    def live_checksums(self) -> set[str]:
        """The blobs of versions that are not deleted, of models that are not deleted."""
        return {
            version.file.checksum
            for model in self._fold.models.values()
            if isinstance(model, LiveModel)
            for version in model.versions.values()
            if version.file is not None
        }

    def _judge(self, record: StoredRecord, verdict: Verdict, judged: Judged) -> None:
        envelope = judged.envelope
        assert envelope is not None
        match verdict:
            case Verdict.CLAIM:
                self._count("claims")
                self._check_event_id(record, envelope)
            case Verdict.CLAIM_IGNORED:
                self._void(record, envelope, "claims that came too late", "claims epoch")
            case Verdict.STALE:
                self._void(record, envelope, "void records of fenced owners", "is written under epoch")
            case Verdict.REPEAT | Verdict.GAP | Verdict.CHAIN:
                self._break(record, verdict, envelope, judged.waits)
            case Verdict.ACCEPTED:
                self._accepted(record, envelope, judged)
            case _:
                assert_never(verdict)

    def _void(self, record: StoredRecord, envelope: Envelope, counted: str, what: str) -> None:
        """Nobody can be ahead of the log: an epoch beyond the current one was forged, or its claim is gone."""
        current = self._fold.guard.epoch
        if 1 <= envelope.epoch <= current:
            self._count(counted)
            return
        self._wrong(Kind.EPOCH, record, f"{what} {envelope.epoch}, but the log is at epoch {current} here")

    def _break(self, record: StoredRecord, verdict: Verdict, envelope: Envelope, waits: bool) -> None:
        model_id = envelope.model_id
        head = self._fold.head(model_id)
        before = f"{self._number}:{self._last[model_id]}" if model_id in self._last else "the beginning of its stream"
        text = f"model {model_id}: sequence {envelope.sequence} comes after sequence {head.sequence} of {before}"
        if verdict is Verdict.CHAIN:
            text = f"model {model_id}: previous_hash is not the hash of {before}; one of the two was altered"
        if waits:
            # It follows what can't be read, and may well continue that. The guard stays where a discard goes on from.
            if model_id not in self._broken:
                self._wrong_until_discarded(Kind(verdict.value), record, model_id, text)
                self._broken.add(model_id)
            return
        self._wrong(Kind(verdict.value), record, text)
        self._broken.add(model_id)
        if verdict is not Verdict.REPEAT:
            self._fold.guard.streams[model_id] = StreamHead(envelope.sequence - 1, envelope.previous_hash)
            self._accepted(record, envelope, self._fold.apply(record.offset, record.key, record.value, envelope))

    def _accepted(self, record: StoredRecord, envelope: Envelope, judged: Judged) -> None:
        self._count("events")
        self._last[envelope.model_id] = record.offset
        self._check_event_id(record, envelope)
        if envelope.epoch < 1:
            self._wrong(Kind.EPOCH, record, "stands before the first claim: nobody owned the partition")
        model_id = envelope.model_id
        if judged.problem is not None and model_id not in self._broken:
            self._wrong_until_discarded(Kind.FOLD, record, model_id, f"model {model_id}: {judged.problem}")
            self._broken.add(model_id)
        if judged.unparked:
            self._discarded(model_id)
        if judged.effective and isinstance(envelope.event, ModelFileAttached):
            file = envelope.event.file
            key = (file.checksum, file.size_bytes)
            self.references.setdefault(key, BlobReference(*key, record.position))

    def _discarded(self, model_id: str) -> None:
        """What an operator has discarded is explained: no violation any more, and the model counts from here on."""
        for kind, position in self._until_discarded.pop(model_id, ()):
            self._findings.withdraw(kind, position)
            self._count("records discarded by an operator")
        self._broken.discard(model_id)

    def _check_offset(self, offset: int) -> None:
        if offset < self._next_offset:
            where = Position(self._number, offset)
            self._findings.add(Kind.ORDER, where, f"comes after offset {self._next_offset - 1}")
            return
        if self._whole and offset > self._next_offset:
            self._hole(offset)
        self._next_offset = offset + 1

    def _hole(self, end: int) -> None:
        first = Position(self._number, self._next_offset)
        self._findings.add(Kind.HOLE, first, f"{end - first.offset} records are missing, up to offset {end - 1}")

    def _check_place(self, record: StoredRecord, envelope: Envelope) -> None:
        if isinstance(envelope.event, OwnershipClaimed):
            return
        model_id = envelope.model_id
        wrong: list[str] = []
        if record.key != model_id.encode():
            wrong.append("its key is not its model id")
        # Of a model whose every record was discarded, nobody knows the name.
        nameless = isinstance(envelope.event, ParkedRecordsDiscarded) and not envelope.model_name
        if model_id != model_id_of(envelope.model_name) and not nameless:
            wrong.append("its model id is not that of its name")
        elif partition_of(model_id, self._partitions) != self._number:
            wrong.append(f"its partition is {partition_of(model_id, self._partitions)}")
        if wrong:
            self._wrong(Kind.MISPLACED, record, f"model {model_id}: " + ", ".join(wrong))

    def _check_event_id(self, record: StoredRecord, envelope: Envelope) -> None:
        packed = _packed(envelope.event_id)
        if packed in self._event_ids:
            self._wrong(Kind.EVENT_ID, record, f"event id {envelope.event_id} was there before")
        self._event_ids.add(packed)

    def _count(self, what: str) -> None:
        self._findings.counts[what] += 1

    def _wrong_until_discarded(self, kind: Kind, record: StoredRecord, model_id: str | None, text: str) -> None:
        self._wrong(kind, record, text)
        if model_id is not None:
            self._until_discarded.setdefault(model_id, []).append((kind, record.position))

    def _wrong(self, kind: Kind, record: StoredRecord, text: str) -> None:
        self._findings.add(kind, record.position, text)


def _packed(event_id: str) -> bytes:
    """An id in a third of the memory."""
    try:
        return uuid.UUID(event_id).bytes
    except ValueError:
        return event_id.encode()
