"""The statistics of one log partition, kept up to date by the difference that each model makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bson.int64 import Int64

from tensorfleet.projection.documents import Document

_STATUSES = ("active", "deprecated", "archived")
BLOCK: Final = 256
"""Offsets. A block in which the statistics change begins with a copy of them: no read of the past folds more."""


@dataclass(slots=True)
class PartitionStatistics:
    models: int = 0
    algorithms: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    total_size_bytes: int = 0
    files: int = 0
    block: int = -1
    """The last block that began with a copy."""

    @classmethod
    def of(cls, document: Document | None) -> PartitionStatistics:
        if document is None:
            return cls()
        return cls(
            document["models"],
            Counter(dict(document["algorithms"])),
            Counter(document["statuses"]),
            document["total_size_bytes"],
            document["files"],
            document.get("block", -1),
        )

    def begin_block(self, partition: int, offset: int) -> Document | None:
        """The copy to keep before the change at `offset` is counted; None if its block has one already."""
        if offset // BLOCK <= self.block:
            return None
        copy = {**self.document(partition), "_id": block_id(partition, offset), "partition": partition}
        self.block = offset // BLOCK
        return copy

    def count(self, model: Document | None, sign: int) -> None:
        """Add (`sign` 1) or take away (-1) what a model contributes; a deleted one contributes nothing."""
        self.add(contribution(model), sign)

    def add(self, contributed: Sequence[Any] | None, sign: int) -> None:
        """Add or take away a `contribution`, or one that a history entry kept."""
        if contributed is None:
            return
        algorithm, status, total_size_bytes, files = contributed
        self.models += sign
        self.algorithms[algorithm] += sign
        self.statuses[status] += sign
        self.total_size_bytes += sign * total_size_bytes
        self.files += sign * files

    def document(self, partition: int) -> Document:
        algorithms = sorted((name, number) for name, number in self.algorithms.items() if number)
        return {
            "_id": partition,
            "models": Int64(self.models),
            # A list of pairs, because a name may hold dots and dollars.
            "algorithms": [[name, Int64(number)] for name, number in algorithms],
            "statuses": {status: Int64(self.statuses[status]) for status in _STATUSES},
            "total_size_bytes": Int64(self.total_size_bytes),
            "files": Int64(self.files),
            "block": Int64(self.block),
        }


def block_id(partition: int, offset: int) -> str:
    """12 digits sort as the numbers do."""
    return f"{partition}:{offset // BLOCK:012d}"


def counted(before: Document | None, after: Document) -> list[Any] | None:
    """The contributions before and after an event, as its history entry keeps them; None if they are equal."""
    pair = contribution(before), contribution(after)
    return None if pair[0] == pair[1] else [None if one is None else list(one) for one in pair]


def contribution(model: Document | None) -> tuple[Any, ...] | None:
    """What a model adds to the statistics; None for one that is deleted, or not there yet."""
    if model is None or model["deleted"]:
        return None
    return (model["algorithm"], model["status"], model["total_size_bytes"], model["file_count"])
