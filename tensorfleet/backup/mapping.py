"""Which new offset each old one has become, where a restored topic can't have the old ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from tensorfleet.domain.errors import BackupRefused
from tensorfleet.events.stored import StoredRecord


@dataclass(frozen=True, slots=True)
class Run:
    """The old offsets from `first` up to, without, `end` became those from `becomes` on."""

    partition: int
    first: int
    end: int
    becomes: int


class OffsetMapping:
    """Told every record in order, as it was written. BackupRefused if someone else writes into the topic too."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._runs: dict[int, list[Run]] = {}

    def note(self, record: StoredRecord, offset: int) -> None:
        runs = self._runs.setdefault(record.partition, [])
        last = runs[-1] if runs else None
        expected = last.becomes + last.end - last.first if last else 0
        if offset != expected:
            raise BackupRefused(
                f"{self._topic} {record.position} was written to offset {offset} instead of {expected}: something else "
                "writes into the topic. Stop the registry, delete the topics, and restore again."
            )
        if last is not None and last.end == record.offset:
            runs[-1] = replace(last, end=record.offset + 1)
        else:
            runs.append(Run(record.partition, record.offset, record.offset + 1, offset))

    @property
    def identical(self) -> bool:
        return all(run.first == run.becomes for run in self._all())

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(run) for run in self._all()]

    def _all(self) -> Iterable[Run]:
        return (run for _, runs in sorted(self._runs.items()) for run in runs)
