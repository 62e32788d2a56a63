"""Publishes one partition of the log: folds it, and writes its events and the states they lead to in transactions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tensorfleet.domain.errors import LogLost
from tensorfleet.domain.guard import Verdict
from tensorfleet.domain.model import LiveModel
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.events.fold import LogFold
from tensorfleet.events.headers import feed_headers, state_headers
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.assigned_reader import AssignedReader
from tensorfleet.kafka.records import Record
from tensorfleet.kafka.transactions import TransactionalProducer

MOST_IN_TRANSACTION: Final = 500
_WAIT_SECONDS: Final = 0.2


class PartitionPublisher:
    """`fold` begins at or before `unpublished`, the offset of the first record that the feed may not hold yet.

    What lies between is folded only, because the guard needs every stream's head.
    """

    def __init__(
        self,
        partition: int,
        fold: LogFold,
        unpublished: int,
        reader: AssignedReader,
        producer: TransactionalProducer,
        topics: Topics,
        codec: Codec,
        metrics: Metrics,
    ) -> None:
        self._partition = partition
        self._fold = fold
        self._unpublished = unpublished
        self._reader = reader
        self._producer = producer
        self._topics = topics
        self._codec = codec
        self._metrics = metrics

    def run(self, stopping: Callable[[], bool]) -> None:
        """Until `stopping`. LogUnavailable if a transaction failed; LogLost if the log is not what it was."""
        self._reader.start({(self._topics.log, self._partition): self._fold.next_offset})
        while not stopping():
            records = self._reader.burst(MOST_IN_TRANSACTION, _WAIT_SECONDS)
            judged = [(one, self._judge(one)) for one in records]
            fresh = [(one, event) for one, event in judged if event is not None and one.offset >= self._unpublished]
            if fresh:
                self._publish(fresh)

    def _judge(self, record: Record) -> Envelope | None:
        """The record's envelope if it is an accepted event. LogLost if records before it are missing."""
        if record.offset != self._fold.next_offset:
            raise LogLost(
                f"{record.topic}[{record.partition}] jumps from offset {self._fold.next_offset} to {record.offset}: "
                "records are missing. Nothing more was published; restore the log."
            )
        judged = self._fold.apply(record.offset, record.key, record.value)
        return judged.envelope if judged.verdict is Verdict.ACCEPTED else None

    def _publish(self, fresh: Sequence[tuple[Record, Envelope]]) -> None:
        """One transaction: the events, and the states that they lead to."""
        with self._producer.transaction():
            for record, envelope in fresh:
                self._produce_event(record, envelope)
            for record, envelope in {one.model_id: (record, one) for record, one in fresh}.values():
                self._produce_state(record, envelope)
        self._metrics.published.inc(len(fresh))

    def _produce_event(self, record: Record, envelope: Envelope) -> None:
        headers = feed_headers(record.headers, Position(record.partition, record.offset), envelope.sequence)
        self._producer.produce(self._topics.feed, record.partition, record.key, record.value, headers)

    def _produce_state(self, record: Record, envelope: Envelope) -> None:
        model = self._fold.model(envelope.model_id)
        value = None
        if isinstance(model, LiveModel):
            value = self._codec.encode_state(
                envelope.model_id, envelope.model_name, envelope.sequence, envelope.occurred_at, model
            )
        headers = feed_headers(
            state_headers(self._topics.registry, self._codec.state_schema_id, envelope),
            Position(record.partition, record.offset),
            envelope.sequence,
        )
        self._producer.produce(self._topics.state, record.partition, record.key, value, headers)
