"""A producer for an event loop: appends return at once, delivery reports come back to the loop in bursts."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka.brokers import noticing

_LOG = logging.getLogger(__name__)
Report = Callable[[LogUnavailable | None, int], None]
"""Called on the loop, once per append: with the error, or None and the record's offset."""


class LoopProducer:
    """Idempotent, acks=all. A producer that met a fatal error is replaced by a new one at the next append."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = dict(config)
        self._loop = asyncio.get_running_loop()
        self._reports: deque[tuple[Report, LogUnavailable | None, int]] = deque()
        self._broken = threading.Event()
        self._stopping = threading.Event()
        self._producer = Producer(noticing(self._config))
        self._thread = threading.Thread(target=self._poll, name="producer", daemon=True)
        self._thread.start()

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes,
        value: bytes,
        headers: list[tuple[str, bytes]],
        report: Report,
    ) -> None:
        """Hand a record over. LogUnavailable if the client's own queue is full; then `report` is not called."""
        if self._broken.is_set():
            self._broken.clear()
            self._producer = Producer(noticing(self._config))

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None and error.fatal():
                self._broken.set()
            failure = LogUnavailable(f"Kafka did not take the record: {error.str()}") if error else None
            self._reports.append((report, failure, -1 if failure else message.offset()))
            if len(self._reports) == 1:
                self._loop.call_soon_threadsafe(self._deliver_reports)

        try:
            self._producer.produce(topic, value, key, partition=partition, on_delivery=delivered, headers=headers)
        except BufferError as error:
            raise LogUnavailable("Kafka is slow: too many records wait to be sent.") from error
        except KafkaException as error:
            self._broken.set()
            raise LogUnavailable(f"Kafka's client does not take the record: {error.args[0].str()}") from error

    async def append_and_wait(
        self, topic: str, partition: int, key: bytes, value: bytes, headers: list[tuple[str, bytes]]
    ) -> int:
        """Append, and return the offset once Kafka has acknowledged the record. LogUnavailable if it does not."""
        acknowledged: asyncio.Future[int] = self._loop.create_future()

        def report(error: LogUnavailable | None, offset: int) -> None:
            if acknowledged.done():
                return
            if error is not None:
                acknowledged.set_exception(error)
            else:
                acknowledged.set_result(offset)

        self.append(topic, partition, key, value, headers, report)
        return await acknowledged

    async def close(self, timeout_seconds: float = 5.0) -> None:
        await asyncio.to_thread(self._producer.flush, timeout_seconds)
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _deliver_reports(self) -> None:
        # The first is removed last: while it stands, delivered() schedules no second call.
        while self._reports:
            report, error, offset = self._reports[0]
            report(error, offset)
            self._reports.popleft()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                self._producer.poll(0.1)
            except (KafkaException, LogUnavailable) as error:
                # Fatal, for passing faults are not raised here. Whoever waits for a report has a deadline of its own.
                if not self._broken.is_set():
                    _LOG.warning("the producer is replaced: %s", error)
                self._broken.set()
                self._stopping.wait(0.1)
