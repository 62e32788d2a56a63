"""A thread that follows whole partitions from an offset on and hands bursts of records to an event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka.brokers import noticing
from tensorfleet.kafka.polling import drain, poll
from tensorfleet.kafka.records import EndOfPartition, Record, from_message

_LOG = logging.getLogger(__name__)
Burst = Sequence[Record | EndOfPartition]
_BURST: Final = 500
_BURSTS_AHEAD: Final = 4
_RETRY_SECONDS: Final = 0.1
_ANEW_SECONDS: Final = 0.5


class Follower:
    """Reads from the given offsets, in order, without a group; `on_burst` and `on_failure` run on the event loop.

    The thread runs at most a few bursts ahead of the loop. Whatever it can't go on from is given to `on_failure`
    once, and the thread ends.
    """

    def __init__(
        self,
        config: Mapping[str, object],
        admin_config: Mapping[str, object],
        topic: str,
        offsets: Mapping[int, int],
        on_burst: Callable[[Burst], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._config = dict(config)
        self._admin_config = dict(admin_config)
        self._admin = AdminClient(self._admin_config)
        self._topic = topic
        self._offsets = dict(offsets)
        self._on_burst = on_burst
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(_BURSTS_AHEAD)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follow {topic}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    async def end_of(self, partition: int, timeout_seconds: float = 3.0) -> int:
        """The offset after the partition's last record, asked from Kafka now. LogUnavailable."""
        deadline = self._loop.time() + timeout_seconds
        asked = TopicPartition(self._topic, partition)
        while True:
            left = max(0.1, deadline - self._loop.time())
            try:
                # Not get_watermark_offsets: on a consumer that another thread polls it never returns.
                answers = self._admin.list_offsets({asked: OffsetSpec.latest()}, request_timeout=left)
                return int((await asyncio.wrap_future(answers[asked])).offset)
            except KafkaException as error:
                if self._loop.time() + _RETRY_SECONDS >= deadline:
                    raise LogUnavailable(f"Kafka does not say where the log ends: {error.args[0].str()}") from error
            # After another broker took the partition over, this client may ask the old one for minutes.
            await asyncio.sleep(_RETRY_SECONDS)
            await asyncio.to_thread(self._learn_leaders)

    def _learn_leaders(self) -> None:
        try:
            self._admin.list_topics(self._topic, timeout=_RETRY_SECONDS * 10)
        except KafkaException:
            self._admin = AdminClient(self._admin_config)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._follow()
        except BaseException as error:
            self._tell_loop(self._on_failure, error)

    def _follow(self) -> None:
        """Until it is to stop, or the client gives up: then the next one goes on where this one was."""
        consumer = Consumer(noticing(self._config))
        try:
            consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in self._offsets.items()])
            while not self._stopping.is_set():
                self._run_once(consumer)
        except LogUnavailable as error:
            _LOG.warning("a new client goes on reading %s: %s", self._topic, error.detail)
            self._stopping.wait(_ANEW_SECONDS)
        finally:
            consumer.close()

    def _run_once(self, consumer: Consumer) -> None:
        first = poll(consumer, 0.2)
        if first is None:
            return
        # poll blocks for one record; drain takes what is there. That alone would wait for all.
        burst = [one for one in map(from_message, [first, *drain(consumer, _BURST)]) if one is not None]
        for one in burst:
            self._offsets[one.partition] = one.offset + 1 if isinstance(one, Record) else one.offset
        while not self._room.acquire(timeout=0.2):
            if self._stopping.is_set():
                return
        self._tell_loop(self._deliver, burst)

    def _deliver(self, burst: Burst) -> None:
        self._room.release()
        try:
            self._on_burst(burst)
        except Exception as error:
            self._stopping.set()
            self._on_failure(error)

    def _tell_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)
