"""Writes records into empty partitions, exactly as they were, and learns the offset of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tensorfleet.domain.errors import LogUnavailable, RegistryError
from tensorfleet.events.stored import StoredRecord
from tensorfleet.kafka import configuration

_FLUSH_SECONDS: Final = 120.0


class TopicWriter:
    """Idempotent, acks=all, in the order of the calls within each partition, which must be empty at first.

    `on_written` is told each record and its new offset, in that order, during `append` and `finish`; an error that it
    raises is raised out of one of them. LogUnavailable if Kafka does not take a record: then what is in the topic is a
    beginning of what was to be written, and the topic is of no use.
    """

    def __init__(
        self, kafka: Mapping[str, str], topic: str, client_id: str, on_written: Callable[[StoredRecord, int], None]
    ) -> None:
        self._topic = topic
        self._on_written = on_written
        self._failure: RegistryError | None = None
        self._producer = Producer(
            {
                **configuration.filling_producer(kafka, client_id),
                # A broker that is slow for a while is no reason to give up.
                "request.timeout.ms": 30_000,
                "message.timeout.ms": int(_FLUSH_SECONDS * 1000),
            }
        )
        self._meet_brokers()

    def _meet_brokers(self) -> None:
        """Else the first record waits for up to a second, when a new client looks for a broker to get its id from."""
        try:
            self._producer.list_topics(self._topic, timeout=_FLUSH_SECONDS)
        except KafkaException as error:
            raise LogUnavailable(f"Kafka does not answer: {error.args[0].str()}") from error

    def append(self, record: StoredRecord) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            self._delivered(record, error, message)

        timestamp = {} if record.timestamp is None else {"timestamp": record.timestamp}
        while True:
            self._raise_failure()
            try:
                self._producer.produce(
                    self._topic,
                    record.value,
                    record.key,
                    partition=record.partition,
                    headers=list(record.headers),
                    on_delivery=delivered,
                    **timestamp,
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def finish(self) -> None:
        """Wait until Kafka has acknowledged everything."""
        left = self._producer.flush(_FLUSH_SECONDS)
        self._raise_failure()
        if left:
            raise LogUnavailable(f"Kafka has not acknowledged {left} records within {_FLUSH_SECONDS:g} s.")

    def _delivered(self, record: StoredRecord, error: KafkaError | None, message: Message) -> None:
        if self._failure is not None:
            return
        if error is not None:
            self._failure = LogUnavailable(f"Kafka did not take {self._topic} {record.position}: {error.str()}")
            return
        try:
            self._on_written(record, message.offset())
        except RegistryError as failure:
            self._failure = failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
