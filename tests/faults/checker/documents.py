"""I4 and I10: the read models are what a replay makes, and the audit trail holds every accepted event once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import bson

from tests.faults.checker.folded import CODEC, Accepted, FoldedLog
from tests.faults.checker.observations import Observations
from tests.faults.checker.violations import Kind, Violation


def check_documents(seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    yield from _check_replay(seen)
    yield from _check_audit(seen, log)


def _check_replay(seen: Observations) -> Iterator[Violation]:
    try:
        replayed = seen.replay()
    except Exception as error:  # whatever the projection makes of a log that is not sound
        yield Violation(Kind.NOT_REPRODUCED, "the whole log", f"{type(error).__name__}: {str(error)[:200]}")
        return
    for collection in sorted({*replayed, *seen.documents}):
        here, there = seen.documents.get(collection, {}), replayed.get(collection, {})
        for key in sorted({*here, *there}, key=str):
            if here.get(key) != there.get(key):
                yield Violation(Kind.NOT_REPRODUCED, f"{collection} {key}", _difference(here.get(key), there.get(key)))


def _difference(here: bytes | None, there: bytes | None) -> str:
    if here is None or there is None:
        return "is missing" if here is None else "is missing in the replay"
    left, right = bson.decode(here), bson.decode(there)
    fields = [name for name in {**left, **right} if left.get(name) != right.get(name)]
    return f"differs in {', '.join(fields)}" if fields else "differs in the order of its fields"


def _check_audit(seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    """Denials get audit records with the access rules; they are checked here as soon as there are any."""
    entries = {key: bson.decode(raw) for key, raw in seen.documents.get("history", {}).items()}
    wanted = {f"{event.model_id}:{event.sequence:012d}": event for event in log.accepted}
    for key in sorted({*wanted, *map(str, entries)}):
        if key not in entries:
            yield Violation(Kind.UNAUDITED, key, "has no entry")
        elif key not in wanted:
            yield Violation(Kind.UNAUDITED, key, "is an entry without an event")
        elif (wrong := _wrong_fields(entries[key], wanted[key])) != "":
            yield Violation(Kind.UNAUDITED, key, f"differs in {wrong}")


def _wrong_fields(entry: dict[str, Any], event: Accepted) -> str:
    envelope = CODEC.decode(event.value)
    expected = {
        "model_id": envelope.model_id,
        "sequence": envelope.sequence,
        "type": envelope.event_type,
        "actor": envelope.actor,
        "occurred_at": envelope.occurred_at,
        "partition": event.position.partition,
        "offset": event.position.offset,
        "hash": hashlib.sha256(event.value).hexdigest(),
        "event_id": envelope.event_id,
    }
    return ", ".join(name for name, value in expected.items() if entry.get(name) != value)
