"""The partitions that this process is licensed to publish: for each a thread, and one session after the other."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from services.publisher.partition import PartitionPublisher
from services.publisher.progress import first_unpublished
from tensorfleet.domain.errors import LogLost, LogUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.events.fold import LogFold
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.assigned_reader import AssignedReader
from tensorfleet.kafka.log_snapshots import LogSnapshots
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.transactions import TransactionalProducer
from tensorfleet.process import Halt, Lifeline

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS: Final = 1.0
_STUCK_SECONDS: Final = 40.0
Result = TypeVar("Result")


class Publishers:
    """Each partition is published under a transactional id of its own, so that whoever opens it next fences off the
    one before, and a frozen publisher that wakes up can add nothing."""

    def __init__(
        self,
        kafka: Mapping[str, str],
        topics: Topics,
        codec: Codec,
        snapshots: LogSnapshots,
        metrics: Metrics,
        lifeline: Lifeline,
    ) -> None:
        self._kafka = kafka
        self._topics = topics
        self._codec = codec
        self._snapshots = snapshots
        self._metrics = metrics
        self._lifeline = lifeline
        self._client_id = f"{topics.registry}.publisher"
        self._log = TopicReader(kafka, topics.log, self._client_id)
        self._feed = TopicReader(kafka, topics.feed, self._client_id)
        self._threads = ThreadPoolExecutor(topics.partitions, "publish")
        self._stops: dict[int, threading.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._open: dict[int, TransactionalProducer] = {}
        self.halt = Halt()

    def on_licence(self, partition: int, held: bool) -> None:
        stop = self._stops.pop(partition, None)
        if stop is not None:
            stop.set()
        if held and self.halt.reason is None and partition < self._topics.partitions:
            self._stops[partition] = threading.Event()
            before = self._tasks.get(partition)
            self._tasks[partition] = self._lifeline.spawn(self._publish(partition, self._stops[partition], before))

    def lost(self, error: LogLost) -> None:
        self.halt.because(error)
        for stop in self._stops.values():
            stop.set()

    async def stop(self) -> None:
        for stop in self._stops.values():
            stop.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def check(self) -> str | None:
        if self.halt.reason is not None:
            return self.halt.reason
        if not self._stops:
            return "no partitions are assigned yet"
        opening = sorted(self._stops.keys() - self._open.keys())
        return f"not published yet: partitions {', '.join(map(str, opening))}" if opening else None

    async def end_if_stuck(self) -> None:
        """librdkafka can fail to return from a call of a transaction, whatever its time-out says (its issues 5456 and
        5511). Only another process gets on then; opening the transactional id there settles the transaction."""
        while True:
            await asyncio.sleep(1.0)
            for partition, producer in self._open.items():
                began = producer.began
                if began is not None and time.monotonic() - began > _STUCK_SECONDS:
                    _LOG.critical(
                        "partition %d: a transaction takes over %.0f s: the process ends", partition, _STUCK_SECONDS
                    )
                    os._exit(1)

    async def _publish(self, partition: int, stop: threading.Event, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        while not stop.is_set():
            try:
                await self._session(partition, stop)
            except LogLost as error:
                self.lost(error)
            except LogUnavailable as error:
                _LOG.warning("partition %d: a new session begins: %s", partition, error.detail)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _session(self, partition: int, stop: threading.Event) -> None:
        producer = TransactionalProducer(self._kafka, self._client_id, f"{self._client_id}.{partition}")
        await self._in_thread(producer.open)
        unpublished = await self._in_thread(first_unpublished, self._feed, self._log, partition)
        fold = await self._fold_before(partition, unpublished)
        reader = AssignedReader(self._kafka, self._client_id)
        publisher = PartitionPublisher(
            partition, fold, unpublished, reader, producer, self._topics, self._codec, self._metrics
        )
        self._open[partition] = producer
        try:
            await self._in_thread(publisher.run, stop.is_set)
        finally:
            del self._open[partition]
            reader.close()

    async def _fold_before(self, partition: int, unpublished: int) -> LogFold:
        """From the partition's snapshot; empty, if there is none or it is past what is published."""
        fold = LogFold(self._codec)
        found = await self._snapshots.load(partition)
        if found is not None and found[0].next_offset <= unpublished:
            fold.restore(found[0])
        return fold
