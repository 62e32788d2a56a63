"""The statistics of one log partition, kept up to date by the difference that each model makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bson.int64 import Int64

from tensorfleet.projection.documents import Document

_STATUSES = ("active", "deprecated", "archived")


@dataclass(slots=True)
class PartitionStatistics:
    models: int = 0
    algorithms: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    total_size_bytes: int = 0
    files: int = 0

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
        )

    def count(self, model: Document | None, sign: int) -> None:
        """Add (`sign` 1) or take away (-1) what a model contributes; a deleted one contributes nothing."""
        if model is None or model["deleted"]:
            return
        self.models += sign
        self.algorithms[model["algorithm"]] += sign
        self.statuses[model["status"]] += sign
        self.total_size_bytes += sign * model["total_size_bytes"]
        self.files += sign * model["file_count"]

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
        }


def contribution(model: Document | None) -> Any:
    """What `count` reads of a model; equal contributions need no counting."""
    if model is None or model["deleted"]:
        return None
    return (model["algorithm"], model["status"], model["total_size_bytes"], model["file_count"])
