"""How far one batch has come in one partition, and that nothing was left out on the way."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from tensorfleet.domain.errors import LogLost
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.writes import Checkpoint


def running_hash_after(before: bytes, content: bytes) -> bytes:
    """`content`: of a record of the log the SHA-256 of its value, of a download the value itself."""
    return hashlib.sha256(before + content).digest()


class Progress:
    """Starts at a checkpoint and ends at the next one."""

    def __init__(self, start: Checkpoint) -> None:
        self.start = start
        self._next_offset = start.next_offset
        self._running_hash = start.running_hash

    @property
    def moved(self) -> bool:
        return self._next_offset > self.start.next_offset

    def expects(self, record: Record) -> bool:
        """Whether `record` is the next one. False for one that the checkpoint contains. LogLost if one is missing.

        No record of these topics is ever compacted, aborted or deleted, so their offsets have no holes.
        """
        if record.offset > self._next_offset:
            raise LogLost(
                f"{record.topic}[{record.partition}] jumps from offset {self._next_offset} to {record.offset}: records "
                "are missing. Nothing was changed; restore the log."
            )
        if record.offset < self._next_offset:
            return False
        self._next_offset += 1
        return True

    def fold(self, content: bytes) -> None:
        """Take the next record into the running hash: `content` is that of `running_hash_after`."""
        self._running_hash = running_hash_after(self._running_hash, content)

    def checkpoint(self, epoch: int | None) -> Checkpoint:
        """`epoch`: the current one, or None if it did not change."""
        return replace(
            self.start,
            next_offset=self._next_offset,
            running_hash=self._running_hash,
            epoch=self.start.epoch if epoch is None else epoch,
        )
