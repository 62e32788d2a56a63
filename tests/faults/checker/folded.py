"""The log as the registry's own guard and fold understand it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from tensorfleet.domain.guard import Verdict
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Position
from tensorfleet.events.fold import LogFold
from tests.faults.checker.observations import LogRecord

CODEC = Codec(Catalogue())


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
    folds: dict[int, LogFold] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: Iterable[LogRecord]) -> FoldedLog:
        log = cls()
        for record in records:
            log._add(record)
        return log

    def _add(self, record: LogRecord) -> None:
        number, offset = record.position.partition, record.position.offset
        judged = self.folds.setdefault(number, LogFold(CODEC)).apply(offset, None, record.value)
        self.verdicts[judged.verdict or "unreadable"] += 1
        if judged.verdict is not Verdict.ACCEPTED or judged.envelope is None:
            return
        one = judged.envelope
        accepted = Accepted(record.position, one.sequence, one.model_id, one.command_id, record.value or b"")
        self.accepted.append(accepted)
        self.by_command[one.command_id].append(accepted)
        self.by_model[one.model_id].append(accepted)

    @property
    def parked(self) -> set[str]:
        return {model_id for fold in self.folds.values() for model_id in fold.parked}
