"""The one guard that every fold of the log applies: it decides which records count.

Kafka can't append conditionally, so a paused owner that wakes up may append after its successor has begun. Such a
record stays in the log and changes nothing, because its epoch is no longer the current one. The rules are those of
docs/architecture.md, "Ownership"; the verdicts of two guards that read the same bytes are always the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

NO_HASH = bytes(32)


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    CLAIM = "claim"
    CLAIM_IGNORED = "claim-ignored"
    STALE = "stale"
    REPEAT = "repeat"
    GAP = "gap"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What the guard needs of a record. `hash` is the SHA-256 of the record's own value bytes."""

    model_id: str
    epoch: int
    sequence: int
    previous_hash: bytes
    hash: bytes
    is_claim: bool


@dataclass(frozen=True, slots=True)
class StreamHead:
    """A stream's last accepted record: its sequence (from 1; 0 is an empty stream) and the hash of its bytes."""

    sequence: int = 0
    hash: bytes = NO_HASH


EMPTY_STREAM = StreamHead()


@dataclass(slots=True)
class Guard:
    """The guard of one partition; `streams` may be filled lazily, but before `judge` meets the stream."""

    epoch: int = 0
    streams: dict[str, StreamHead] = field(default_factory=dict)

    def judge(self, record: RecordHead) -> Verdict:
        """Decide whether `record` counts, and if so move on past it."""
        if record.is_claim:
            if record.epoch != self.epoch + 1:
                return Verdict.CLAIM_IGNORED
            self.epoch = record.epoch
            return Verdict.CLAIM
        if record.epoch != self.epoch:
            return Verdict.STALE
        head = self.streams.get(record.model_id, EMPTY_STREAM)
        if record.sequence <= head.sequence:
            return Verdict.REPEAT
        if record.sequence != head.sequence + 1:
            return Verdict.GAP
        if record.previous_hash != head.hash:
            return Verdict.CHAIN
        self.streams[record.model_id] = StreamHead(record.sequence, record.hash)
        return Verdict.ACCEPTED
