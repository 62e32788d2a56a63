"""The audit of a log: all its partitions, or what concerns one model, from Kafka or from a file."""

from __future__ import annotations

from collections.abc import Iterable

from tensorfleet.audit.findings import Findings
from tensorfleet.audit.partition import BlobReference, PartitionAudit
from tensorfleet.domain.errors import ModelNotFound
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope, OwnershipClaimed
from tensorfleet.events.stored import OffsetRange, StoredRecord


class LogAudit:
    """`add` the records of each partition in order, then `finish`.

    With `model_id`, only that model's records and the claims are looked at.
    """

    def __init__(
        self, codec: Codec, findings: Findings, partitions: int, ranges: Iterable[OffsetRange], model_id: str | None
    ) -> None:
        """`partitions` is the number that the topic has; `ranges` what is read of it."""
        self._codec = codec
        self._model_id = model_id
        self._ranges = tuple(ranges)
        event_ids: set[bytes] = set()
        self._parts = {
            one.partition: PartitionAudit(one.partition, partitions, codec, findings, event_ids, whole=model_id is None)
            for one in self._ranges
        }
        self._findings = findings

    def add(self, record: StoredRecord) -> None:
        if self._model_id is None or concerns(record, self._model_id, self._codec):
            self._parts[record.partition].add(record)

    def finish(self) -> None:
        """ModelNotFound if one model was asked for and nothing was found of it."""
        for one in self._ranges:
            self._parts[one.partition].finish(one.end)
        self._findings.counts["models"] = sum(part.streams for part in self._parts.values())
        if self._model_id is not None and self._findings.sound and not self._findings.counts["models"]:
            raise ModelNotFound(self._model_id)

    def references(self) -> list[BlobReference]:
        """Each blob that an accepted event names, once, in the order of the log."""
        return [one for part in self._parts.values() for one in part.references.values()]

    def live_checksums(self) -> set[str]:
        return set().union(*(part.live_checksums() for part in self._parts.values()))


def concerns(record: StoredRecord, model_id: str, codec: Codec) -> bool:
    """Whether a record is one of the model, by key or by content, or a claim, which counts for every model."""
    if record.key == model_id.encode():
        return True
    envelope = decoded(record, codec)
    return envelope is not None and (envelope.model_id == model_id or isinstance(envelope.event, OwnershipClaimed))


def decoded(record: StoredRecord, codec: Codec) -> Envelope | None:
    try:
        return codec.decode(record.value or b"")
    except Undecodable:
        return None
