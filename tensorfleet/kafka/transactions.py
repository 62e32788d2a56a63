"""Kafka transactions of one writer: what is written in one becomes visible as a whole, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaException, Producer

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka import configuration

_SECONDS: Final = 10.0


class TransactionalProducer:
    """One life under a transactional id; whoever opens that id next ends this one's transaction and fences it off.

    After any LogUnavailable this object is of no further use: a new one, opened, settles what became of the last
    transaction, which is then either visible or void for ever.
    """

    def __init__(self, kafka: Mapping[str, str], client_id: str, transactional_id: str) -> None:
        self._producer = Producer(configuration.transactional_producer(kafka, client_id, transactional_id))
        self.began: float | None = None
        """When the transaction under way began, on the monotonic clock."""

    def open(self) -> None:
        """Fence off all earlier holders of the id; returns once what they had begun is settled. LogUnavailable."""
        with self._translated():
            self._producer.init_transactions(_SECONDS)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits at the end. LogUnavailable: the outcome is not known until the id is opened anew."""
        self.began = time.monotonic()
        try:
            with self._translated():
                self._producer.begin_transaction()
                yield
                self._producer.commit_transaction(_SECONDS)
        finally:
            self.began = None

    def produce(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> None:
        """Within a transaction; what goes wrong with it shows at the commit. `value` None is a tombstone."""
        self._producer.produce(topic, value, key, partition=partition, headers=headers)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (KafkaException, BufferError) as error:
            raise LogUnavailable(f"A transaction failed: {error}") from error
