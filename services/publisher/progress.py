"""How far a partition is published: the feed itself tells, by the log position in its last record."""

from __future__ import annotations

from collections import deque

from tensorfleet.domain.errors import LogLost, TopicMismatch
from tensorfleet.events.envelope import Position
from tensorfleet.events.headers import LOG_POSITION
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.kafka.topic_reader import TopicReader

_FEW = 16


def first_unpublished(feed: TopicReader, log: TopicReader, partition: int) -> int:
    """The offset in the log after the last event that the feed holds; 0 if it holds none.

    Only right while nobody else has a transaction on this partition of the feed. LogUnavailable if Kafka does not
    answer; LogLost if the log ends before what the feed already holds.
    """
    last = _last_record(feed, partition)
    if last is None:
        return 0
    done = _log_offset(last) + 1
    end = log.ranges()[partition].end
    if end < done:
        raise LogLost(
            f"{log.topic}[{partition}] ends at {end}, but the feed holds its events up to {done}. The log was "
            "truncated or is another one. Nothing more is published; restore the log."
        )
    return done


def _last_record(feed: TopicReader, partition: int) -> StoredRecord | None:
    """Read backwards in growing steps: markers and aborted records take offsets, too."""
    held = feed.ranges()[partition]
    step, start = _FEW, held.end
    while start > held.first:
        start = max(held.first, held.end - step)
        newest = deque(feed.read([OffsetRange(partition, start, held.end)]), maxlen=1)
        if newest:
            return newest[0]
        step *= _FEW
    return None


def _log_offset(record: StoredRecord) -> int:
    text = dict(record.headers).get(LOG_POSITION)
    try:
        return Position.parse((text or b"").decode()).offset
    except ValueError as error:
        raise TopicMismatch(
            f"Record {record.partition}:{record.offset} of the feed says {text!r} where its position in the log should "
            "be: someone else has written to the feed. Delete the feed topic, and it is published anew."
        ) from error
