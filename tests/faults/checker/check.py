"""All checks over one set of observations."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.checker.blobs import check_blobs
from tests.faults.checker.commands import check_commands
from tests.faults.checker.counts import check_counts
from tests.faults.checker.documents import check_documents
from tests.faults.checker.folded import FoldedLog
from tests.faults.checker.history import History
from tests.faults.checker.observations import Observations
from tests.faults.checker.streams import check_streams
from tests.faults.checker.topics import check_topics
from tests.faults.checker.violations import Violation


def check(history: History, seen: Observations, log: FoldedLog | None = None) -> list[Violation]:
    """Every violation that shows; `log` spares folding `seen.log` again."""
    return list(_all(history, seen, log or FoldedLog.of(seen.log)))


def _all(history: History, seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    yield from check_topics(seen, log)
    yield from check_commands(history, log)
    yield from check_streams(history, log)
    yield from check_counts(history, seen, log)
    yield from check_documents(seen, log)
    yield from check_blobs(history, seen, log)
