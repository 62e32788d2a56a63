"""A member of a group that works through a topic, one record at a time, however long the work on one takes."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka.brokers import noticing
from tensorfleet.kafka.membership import leave
from tensorfleet.kafka.polling import poll
from tensorfleet.kafka.records import Record, from_message

_LOG = logging.getLogger(__name__)
_IDLE_SECONDS: Final = 0.2
_BUSY_SECONDS: Final = 0.02
_PAUSE_SECONDS: Final = 0.5
Work = Callable[[Record], Future[None] | None]


@dataclass(frozen=True, slots=True)
class _Job:
    record: Record
    done: Future[None]


class Worker:
    """Calls `work` with each record in a thread of its own; what it returns, unless None, is waited for.

    The place behind a record is kept only when the work on it is done: whoever is killed, or loses the partition in
    between, leaves it to be done again. Meanwhile the partitions are paused and Kafka is still asked, for a member that
    is silent for long is taken for dead. Whatever `work` raises, or its future, is given to `on_failure`, and the
    thread ends.
    """

    def __init__(
        self, config: Mapping[str, object], topic: str, work: Work, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._config = dict(config)
        self._topic = topic
        self._work = work
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"work through {topic}", daemon=True)
        self._held: set[int] = set()
        self._waiting: deque[Record] = deque()
        self._job: _Job | None = None
        self._paused = False
        self.assigned = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Blocks until the group is left. What is under way is cancelled."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._be_member()
        except BaseException as error:
            self._on_failure(error)

    def _be_member(self) -> None:
        """Until it is to stop, or the client gives up: then the next one goes on from what was committed."""
        consumer = Consumer(noticing(self._config))
        try:
            consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
            while not self._stopping.is_set():
                self._run_once(consumer)
            leave(consumer, lambda: not self._held)
        except LogUnavailable as error:
            _LOG.warning("a new member of the group begins: %s", error.detail)
            self._stopping.wait(_PAUSE_SECONDS)
        finally:
            self._drop(self._held.copy())
            self._paused = False
            consumer.close()

    def _run_once(self, consumer: Consumer) -> None:
        message = poll(consumer, _IDLE_SECONDS if self._job is None else _BUSY_SECONDS)
        found = None if message is None else from_message(message)
        if isinstance(found, Record):
            self._waiting.append(found)
        if self._job is not None and self._job.done.done():
            self._job.done.result()
            self._pass(consumer, self._job.record)
            self._job = None
        while self._job is None and self._waiting:
            self._begin(consumer, self._waiting.popleft())
        if self._paused and self._job is None:
            consumer.resume(consumer.assignment())
            self._paused = False

    def _begin(self, consumer: Consumer, record: Record) -> None:
        done = self._work(record)
        if done is None:
            self._pass(consumer, record)
        else:
            self._job = _Job(record, done)
            consumer.pause(consumer.assignment())
            self._paused = True

    def _pass(self, consumer: Consumer, record: Record) -> None:
        if record.partition in self._held:
            consumer.store_offsets(offsets=[TopicPartition(record.topic, record.partition, record.offset + 1)])

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        if self._paused:
            consumer.pause(partitions)
        self._held.update(one.partition for one in partitions)
        self.assigned = True

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._drop({one.partition for one in partitions})
        consumer.incremental_unassign(partitions)

    def _drop(self, partitions: set[int]) -> None:
        """Whoever has these partitions next does what is not done."""
        self._held -= partitions
        self._waiting = deque(one for one in self._waiting if one.partition not in partitions)
        if self._job is not None and self._job.record.partition in partitions:
            self._job.done.cancel()
            self._job = None
