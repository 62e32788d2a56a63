"""The dead-letter topic: records that could not be projected, as they were, with the reason in headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.events.letters import CUT, DETAIL, POSITION, REASON, TOPIC
from tensorfleet.projection.log_projection import DeadLetter

_TIMEOUT_SECONDS: Final = 10.0
_MOST_BYTES: Final = 7 * 1024 * 1024
"""Of a value. A record of the log may have as many bytes as the topic takes at most, and a letter has headers more."""


class DeadLetterTopic:
    """For one thread. What it has stored once, it does not store again, as long as it lives."""

    def __init__(self, config: Mapping[str, object], topic: str) -> None:
        self._config = dict(config)
        self._producer = Producer(self._config)
        self._topic = topic
        self._stored: dict[tuple[str, int], int] = {}

    def __call__(self, letters: list[DeadLetter]) -> None:
        """Store the letters, which come in the order of their partitions, durably.

        LogUnavailable if Kafka does not take them in time. Then, and if the process ends before the letters' batch is
        committed, some of them are stored again later: the position in the headers tells that they are the same.
        """
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        fresh = [one for one in letters if one.record.offset > self._stored.get(_place(one), -1)]
        for letter in fresh:
            self._produce(letter, delivered)
        if self._producer.flush(_TIMEOUT_SECONDS) or failed:
            self._producer = Producer(self._config)
            raise LogUnavailable("The dead-letter topic does not take records.")
        self._stored.update({_place(one): one.record.offset for one in fresh})

    def _produce(self, letter: DeadLetter, delivered: Any) -> None:
        record, value = letter.record, letter.record.value
        headers = [*record.headers, *_reasons(letter)]
        if value is not None and len(value) > _MOST_BYTES:
            headers.append((CUT, str(len(value)).encode()))
            value = value[:_MOST_BYTES]
        try:
            self._producer.produce(
                self._topic, value, record.key, partition=record.partition, headers=headers, on_delivery=delivered
            )
        except (BufferError, KafkaException) as error:
            raise LogUnavailable(f"The dead-letter topic does not take records: {error}") from error


def _place(letter: DeadLetter) -> tuple[str, int]:
    return letter.record.topic, letter.record.partition


def _reasons(letter: DeadLetter) -> Iterator[tuple[str, bytes]]:
    yield REASON, letter.reason.encode()
    yield DETAIL, letter.detail.encode()[:1000]
    yield TOPIC, letter.record.topic.encode()
    yield POSITION, f"{letter.record.partition}:{letter.record.offset}".encode()
