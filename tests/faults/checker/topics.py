"""I7 and the feed: a position holds one value for ever, and the public topics hold the accepted events exactly."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tensorfleet.domain.model import LiveModel
from tensorfleet.events.envelope import Position
from tests.faults.checker.folded import CODEC, Accepted, FoldedLog
from tests.faults.checker.observations import FeedRecord, Observations
from tests.faults.checker.violations import Kind, Violation


def check_topics(seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    yield from _check_positions(seen)
    feed: dict[int, list[FeedRecord]] = defaultdict(list)
    for record in seen.feed:
        feed[record.log_position.partition].append(record)
    accepted: dict[int, dict[Position, Accepted]] = defaultdict(dict)
    for event in log.accepted:
        accepted[event.position.partition][event.position] = event
    for number in sorted({*feed, *accepted}):
        yield from _check_feed(feed[number], accepted[number])
    yield from _check_states(seen, log)


def _check_positions(seen: Observations) -> Iterator[Violation]:
    """Against what a reader of the live log saw there, between and during faults."""
    now = {record.position: record.value for record in seen.log}
    for position, digest in seen.sightings.items():
        if position not in now:
            yield Violation(Kind.CHANGED, str(position), "held a record, and is gone")
        elif hashlib.sha256(now[position] or b"").digest() != digest:
            yield Violation(Kind.CHANGED, str(position), "holds another value than before")


def _check_feed(records: list[FeedRecord], accepted: dict[Position, Accepted]) -> Iterator[Violation]:
    first_seen: dict[Position, None] = {}
    for record in records:
        event = accepted.get(record.log_position)
        if event is None or (event.value, event.sequence) != (record.value, record.sequence):
            yield Violation(Kind.FEED_FOREIGN, str(record.log_position))
        elif record.log_position in first_seen:
            yield Violation(Kind.FEED_REPEATED, str(record.log_position))
        first_seen.setdefault(record.log_position)
    for earlier, later in pairwise(first_seen):
        if later < earlier:
            yield Violation(Kind.FEED_DISORDERED, str(later), f"comes after {earlier}")
    for position in accepted:
        if position not in first_seen:
            yield Violation(Kind.FEED_MISSING, str(position))


def _check_states(seen: Observations, log: FoldedLog) -> Iterator[Violation]:
    """The newest record of each model in the compacted topic."""
    for model_id, events in log.by_model.items():
        fold = log.folds[events[0].position.partition]
        model, last = fold.model(model_id), CODEC.decode(events[-1].value)
        expected = None
        if isinstance(model, LiveModel):
            expected = CODEC.encode_state(model_id, last.model_name, last.sequence, last.occurred_at, model)
        if seen.states.get(model_id, b"") != expected:
            yield Violation(Kind.STATE_WRONG, model_id)
