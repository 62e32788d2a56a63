"""Buries what could not be projected: the record as it was, with the reason in headers, in the dead-letter topic."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError, Message, Producer

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.projection.log_projection import DeadLetter

_TIMEOUT_SECONDS = 10.0


class DeadLetterTopic:
    def __init__(self, config: Mapping[str, object], topic: str) -> None:
        self._producer = Producer(dict(config))
        self._topic = topic

    def __call__(self, letters: list[DeadLetter]) -> None:
        """Store the letters durably. LogUnavailable if Kafka does not take them in time."""
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        for letter in letters:
            record = letter.record
            headers = [
                *record.headers,
                ("dlq_reason", letter.reason.encode()),
                ("dlq_detail", letter.detail.encode()[:1000]),
                ("dlq_topic", record.topic.encode()),
                ("dlq_position", f"{record.partition}:{record.offset}".encode()),
            ]
            self._producer.produce(
                self._topic,
                record.value,
                record.key,
                partition=record.partition,
                headers=headers,
                on_delivery=delivered,
            )
        if self._producer.flush(_TIMEOUT_SECONDS) or failed:
            raise LogUnavailable("The dead-letter topic does not take records.")
