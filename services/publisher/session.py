"""One life of the publisher: consumes the log, writes feed, state and offsets in Kafka transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from tensorfleet.domain.errors import LogLost, LogUnavailable
from tensorfleet.domain.guard import Verdict
from tensorfleet.domain.model import LiveModel
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.events.fold import LogFold
from tensorfleet.events.headers import feed_headers, state_headers
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.records import Record, from_message

MOST_IN_TRANSACTION: Final = 500
_POLL_SECONDS: Final = 0.2
_TRANSACTION_SECONDS: Final = 10.0


class Publisher:
    """`run` until `stop`; runs in one thread.

    After an assignment each partition is folded from its beginning, because the guard needs every stream's head;
    only what lies past the group's committed offset is published. `transaction_began`, on the monotonic clock, is of
    the transaction under way. LogUnavailable out of `run` means that the last
    transaction was aborted or is unknown: a new session goes on from what Kafka has committed.
    """

    def __init__(
        self,
        consumer_config: Mapping[str, object],
        producer_config: Mapping[str, object],
        topics: Topics,
        codec: Codec,
        metrics: Metrics,
        stopping: Callable[[], bool],
    ) -> None:
        self._consumer = Consumer(dict(consumer_config))
        self._producer = Producer(dict(producer_config))
        self._topics = topics
        self._codec = codec
        self._metrics = metrics
        self._stopping = stopping
        self._folds: dict[int, LogFold] = {}
        self._published: dict[int, int] = {}
        self.assigned = False
        self.transaction_began: float | None = None

    def run(self) -> None:
        try:
            self._producer.init_transactions(_TRANSACTION_SECONDS)
            self._consumer.subscribe(
                [self._topics.log], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )
            while not self._stopping():
                self._run_once()
        except KafkaException as error:
            raise LogUnavailable(f"Kafka ended the publisher's session: {error.args[0].str()}") from error
        finally:
            self._consumer.close()

    def _run_once(self) -> None:
        first = self._consumer.poll(_POLL_SECONDS)
        if first is None:
            return
        messages = [first, *self._consumer.consume(MOST_IN_TRANSACTION - 1, timeout=0)]
        records = [one for one in map(from_message, messages) if isinstance(one, Record)]
        judged = [(one, self._fold(one)) for one in records if one.partition in self._folds]
        fresh = [(one, found) for one, found in judged if one.offset >= self._published[one.partition]]
        if fresh:
            self._publish(fresh)

    def _fold(self, record: Record) -> Envelope | None:
        """The record's envelope if it is an accepted event. LogLost if records before it are missing."""
        fold = self._folds[record.partition]
        if record.offset != fold.next_offset:
            raise LogLost(
                f"{record.topic}[{record.partition}] jumps from offset {fold.next_offset} to {record.offset}: records "
                "are missing. Nothing more was published; restore the log."
            )
        judged = fold.apply(record.offset, record.key, record.value)
        return judged.envelope if judged.verdict is Verdict.ACCEPTED else None

    def _publish(self, fresh: Sequence[tuple[Record, Envelope | None]]) -> None:
        """One transaction: the events, the states that they lead to, and how far the log is done."""
        events = [(record, envelope) for record, envelope in fresh if envelope is not None]
        ends = {record.partition: record.offset + 1 for record, _ in fresh}
        self._producer.begin_transaction()
        self.transaction_began = time.monotonic()
        try:
            for record, envelope in events:
                self._produce_event(record, envelope)
            for record, envelope in {one.model_id: (record, one) for record, one in events}.values():
                self._produce_state(record, envelope)
            offsets = [TopicPartition(self._topics.log, number, end) for number, end in ends.items()]
            self._producer.send_offsets_to_transaction(
                offsets, self._consumer.consumer_group_metadata(), _TRANSACTION_SECONDS
            )
            self._producer.commit_transaction(_TRANSACTION_SECONDS)
        except (KafkaException, BufferError) as error:
            self._abort()
            raise LogUnavailable(f"A transaction of the publisher failed: {error}") from error
        self.transaction_began = None
        self._published.update(ends)
        self._metrics.published.inc(len(events))

    def _produce_event(self, record: Record, envelope: Envelope) -> None:
        headers = feed_headers(record.headers, Position(record.partition, record.offset), envelope.sequence)
        self._producer.produce(self._topics.feed, record.value, record.key, partition=record.partition, headers=headers)

    def _produce_state(self, record: Record, envelope: Envelope) -> None:
        model = self._folds[record.partition].model(envelope.model_id)
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
        self._producer.produce(self._topics.state, value, record.key, partition=record.partition, headers=headers)

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(_TRANSACTION_SECONDS)
        except KafkaException as error:
            # Kafka aborts it after transaction.timeout.ms; until then readers of committed records wait.
            raise LogUnavailable(f"Kafka does not abort the transaction: {error.args[0].str()}") from error

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        committed = consumer.committed(partitions, timeout=_TRANSACTION_SECONDS)
        for one in committed:
            if one.error is not None:
                raise KafkaException(one.error)
            self._folds[one.partition] = LogFold(self._codec)
            self._published[one.partition] = max(0, one.offset)
        consumer.incremental_assign([TopicPartition(one.topic, one.partition, 0) for one in partitions])
        self.assigned = True

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for one in partitions:
            self._folds.pop(one.partition, None)
            self._published.pop(one.partition, None)
        consumer.incremental_unassign(partitions)
