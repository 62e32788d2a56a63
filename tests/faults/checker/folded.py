"""The log as the rules understand it: which events count, in which order, and the models that they make."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tensorfleet.events.envelope import Position
from tests.faults.checker.observations import LogRecord
from tests.faults.checker.rules import ACCEPTED, CODEC, RuledPartition

__all__ = ["CODEC", "Accepted", "FoldedLog"]


@dataclass(frozen=True, slots=True)
class Accepted:
    position: Position
    sequence: int
    model_id: str
    command_id: str
    value: bytes


@dataclass(slots=True)
class FoldedLog:
    """`verdicts` counts all records; a record that can't be decoded counts as `unreadable`."""

    accepted: list[Accepted] = field(default_factory=list)
    by_command: dict[str, list[Accepted]] = field(default_factory=lambda: defaultdict(list))
    by_model: dict[str, list[Accepted]] = field(default_factory=lambda: defaultdict(list))
    folds: dict[int, RuledPartition] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: Iterable[LogRecord]) -> FoldedLog:
        log = cls()
        for record in records:
            log._add(record)
        return log

    def _add(self, record: LogRecord) -> None:
        partition = self.folds.setdefault(record.position.partition, RuledPartition())
        verdict, one = partition.take(record.value or b"")
        self.verdicts[verdict] += 1
        if verdict != ACCEPTED or one is None:
            return
        accepted = Accepted(record.position, one.sequence, one.model_id, one.command_id, record.value or b"")
        self.accepted.append(accepted)
        self.by_command[one.command_id].append(accepted)
        self.by_model[one.model_id].append(accepted)

    @property
    def parked(self) -> set[str]:
        return {model_id for fold in self.folds.values() for model_id in fold.parked}
