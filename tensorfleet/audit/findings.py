"""What an audit counts and what it finds wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_KEPT: Final = 1000


class Kind(StrEnum):
    """How a log, its blobs or a copy of it can be wrong."""

    UNREADABLE = "unreadable"
    HOLE = "hole"
    ORDER = "order"
    EPOCH = "epoch"
    GAP = "gap"
    REPEAT = "repeat"
    CHAIN = "chain"
    FOLD = "fold"
    EVENT_ID = "event-id"
    MISPLACED = "misplaced"
    BLOB_MISSING = "blob-missing"
    BLOB_CORRUPT = "blob-corrupt"
    EDITED = "edited"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True)
class Violation:
    """`where` is a position in the log, or a line of a file."""

    kind: Kind
    where: str
    text: str


@dataclass(slots=True)
class Findings:
    """`kinds` counts every violation; only the first ones are kept."""

    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[Kind] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.kinds

    def withdraw(self, kind: Kind, where: object) -> None:
        """Take back what was added before."""
        self.kinds -= Counter({kind: 1})
        kept = (one for one in self.violations if (one.kind, one.where) == (kind, str(where)))
        found = next(kept, None)
        if found is not None:
            self.violations.remove(found)

    def add(self, kind: Kind, where: object, text: str) -> None:
        self.kinds[kind] += 1
        if len(self.violations) < MOST_KEPT:
            self.violations.append(Violation(kind, str(where), text))
