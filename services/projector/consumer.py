"""Feeds the projection from Kafka: the group says which partitions, MongoDB's checkpoints say from where."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from services.projector.replays import Replays
from tensorfleet.domain.errors import BatchTooLarge, LogLost, LogUnavailable, ReadModelsUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.brokers import noticing
from tensorfleet.kafka.membership import leave
from tensorfleet.kafka.polling import drain, poll
from tensorfleet.kafka.records import Record, from_message
from tensorfleet.kafka.topics import LogIdentity
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection.batch import Projected
from tensorfleet.projection.log_projection import DeadLetter
from tensorfleet.projection.pipeline import Pipeline

_LOG = logging.getLogger(__name__)
_POLL_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 2.0
_AT_ONCE: Final = 4
"""Checkpoints to ask for. Each takes some writes that are to reach the disk, and the disk takes several as one."""
_WORTH_OVERLAPPING: Final = 500
"""Records. After fewer, one commit is awaited before the next batch is read."""


class _ClientGaveUp(Exception):
    """This consumer will read nothing more."""


class Projector:
    """`run` until `pause` says stop. Any surprise is raised out of `run`, after the consumer is closed."""

    def __init__(
        self,
        config: Mapping[str, object],
        topics: Topics,
        identity: LogIdentity,
        store: ProjectionStore,
        codec: Codec,
        metrics: Metrics,
        bury: Callable[[list[DeadLetter]], None],
        pause: Callable[[float], bool],
        next_store: Callable[[], ProjectionStore | None] = lambda: None,
        replays: Replays | None = None,
    ) -> None:
        """`lag` is in records of the log, by partition.

        `bury` stores dead letters durably before it returns. `pause` waits some seconds; True: stop now. `next_store`
        is asked between batches: the store to go on with from now on, or None.
        """
        self._config = dict(config)
        self._consumer = Consumer(noticing(config))
        self._topics = topics
        self._identity = identity
        self._metrics = metrics
        self._pause = pause
        self._next_store = next_store
        self._replays = replays
        self._parked_changed = True
        self._pipeline = Pipeline(store, codec, topics.log, bury, self._committed)
        self._last_batch = 0
        self._assigned: set[tuple[str, int]] = set()
        self.assigned = False
        self.lag: Mapping[int, int] = {}
        self.trouble: str | None = None

    def run(self) -> None:
        try:
            while True:
                try:
                    self._be_member()
                    return
                except _ClientGaveUp as error:
                    self._begin_anew(error)
        finally:
            self._consumer.close()
            self._pipeline.close()

    def _be_member(self) -> None:
        """Until it is to stop."""
        self._consumer.subscribe(
            [self._topics.log, self._topics.downloads],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        while not self._pause(0):
            self._run_once()
        self._finish_commit()
        with suppress(LogUnavailable):
            leave(self._consumer, lambda: not self._assigned)

    def _begin_anew(self, error: _ClientGaveUp) -> None:
        """With another client. What it is assigned goes on from the checkpoints, wherever they stand."""
        _LOG.warning("a new member of the group begins: %s", error)
        self._pipeline.abandon()
        self._consumer.close()
        self._assigned.clear()
        self._pipeline.checkpoints.clear()
        self._consumer = Consumer(noticing(self._config))

    def _read(self) -> list[Record] | None:
        """What is there, up to a batch; None if nothing is."""
        try:
            first = poll(self._consumer, 0 if self._pipeline.busy else _POLL_SECONDS)
            if first is None:
                return None
            found = [from_message(one) for one in (first, *drain(self._consumer, self._pipeline.most - 1))]
        except LogUnavailable as error:
            raise _ClientGaveUp(error.detail) from error
        return [one for one in found if isinstance(one, Record) and (one.topic, one.partition) in self._assigned]

    def _run_once(self) -> None:
        self._move_to_next_store()
        self._replay()
        if self._last_batch < _WORTH_OVERLAPPING:
            # What comes in meanwhile makes one transaction of the next ones, which costs less than many.
            self._finish_commit()
        self._count_parked()
        records = self._read()
        if records is None:
            self._finish_commit()
            return
        self._last_batch = len(records)
        if records:
            self._project(records)
        self._measure_lag()

    def _move_to_next_store(self) -> None:
        store = self._next_store()
        if store is not None:
            self._finish_commit()
            self._pipeline.store = store
            if not self._reload():
                self._start_over("MongoDB does not answer after a switch of generations")

    def _replay(self) -> None:
        if self._replays is None:
            return
        for model_id in self._replays.asked(self._pipeline.store, self._pipeline.checkpoints):
            self._finish_commit()
            try:
                self._replays.run(model_id, self._pipeline.store, self._pipeline.checkpoints)
            except (ReadModelsUnavailable, LogUnavailable) as error:
                self._start_over(error.detail)
            self._parked_changed = True

    def _project(self, records: list[Record]) -> None:
        try:
            self._pipeline.project(records)
        except BatchTooLarge as error:
            self._read_again(error.detail)
        except (ReadModelsUnavailable, LogUnavailable) as error:
            self._start_over(error.detail)

    def _finish_commit(self) -> None:
        """Wait for the commit under way; if it failed, start over."""
        try:
            self._pipeline.finish()
        except BatchTooLarge as error:
            self._read_again(error.detail)
        except (ReadModelsUnavailable, LogUnavailable) as error:
            self._start_over(error.detail)

    def _committed(self, projected: Projected) -> None:
        self.trouble = None
        for before, after in projected.writes.checkpoints:
            self._metrics.projected.labels(after.topic).inc(after.next_offset - before.next_offset)
        for letter in projected.dead_letters:
            self._metrics.dead_letters.labels(letter.reason).inc()
        self._parked_changed |= bool(projected.writes.parked)
        for verdict, number in projected.verdicts.items():
            self._metrics.verdicts.labels(verdict).inc(number)

    def _read_again(self, reason: str) -> None:
        """At once, from the checkpoints; no more than the pipeline takes now."""
        _LOG.warning("smaller batches: %s", reason)
        if not self._reload():
            self._start_over(reason)

    def _start_over(self, trouble: str) -> None:
        """Wait until the servers answer, then read again from wherever the checkpoints stand now.

        Whether the last transaction was committed is not known; the checkpoints tell.
        """
        _LOG.warning("the projection waits: %s", trouble)
        self.trouble = trouble
        while not self._pause(0.5):
            if self._reload():
                return

    def _reload(self) -> bool:
        """Read on from where the checkpoints stand now. False if MongoDB does not tell."""
        try:
            known = [one.beginning for one in self._pipeline.checkpoints.values()]
            with ThreadPoolExecutor(_AT_ONCE, "reload") as pool:
                found = {one.id: one for one in pool.map(self._pipeline.store.checkpoint, known)}
        except ReadModelsUnavailable:
            return False
        self._pipeline.checkpoints = found
        for one in found.values():
            self._consumer.seek(TopicPartition(self._topic(one.topic), one.partition, one.next_offset))
        return True

    def _count_parked(self) -> None:
        if self._parked_changed and not self._pipeline.busy:
            try:
                found = self._pipeline.store.parked_models()
            except ReadModelsUnavailable:
                return
            self._parked_changed = False
            for one in self._pipeline.checkpoints.values():
                if one.topic == "log":
                    self._metrics.parked_models.labels(one.partition).set(found[one.partition])

    def _measure_lag(self) -> None:
        """From what the client knows; no request. Only this thread may ask the consumer."""
        lag = {}
        for one in self._pipeline.checkpoints.values():
            if one.topic == "log":
                asked = TopicPartition(self._topics.log, one.partition)
                _, end = self._consumer.get_watermark_offsets(asked, timeout=1.0, cached=True)
                lag[one.partition] = max(0, end - one.next_offset)
                self._metrics.projection_lag.labels(one.partition).set(lag[one.partition])
        self.lag = lag

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._finish_commit()
        with ThreadPoolExecutor(_AT_ONCE, "resume") as pool:
            found = list(pool.map(self._resume, partitions))
        self._require_all_of(consumer, found)
        for one, checkpoint in zip(partitions, found, strict=True):
            self._pipeline.checkpoints[checkpoint.id] = checkpoint
            self._assigned.add((one.topic, one.partition))
        consumer.incremental_assign(
            [TopicPartition(self._topic(one.topic), one.partition, one.next_offset) for one in found]
        )
        self.assigned = self._parked_changed = True

    def _resume(self, assigned: TopicPartition) -> Checkpoint:
        if assigned.partition >= self._topics.partitions:
            raise LogLost(
                f"{assigned.topic} has more than {self._topics.partitions} partitions now: models would be looked for "
                "in the wrong ones. Nothing was changed; restore the log."
            )
        topic = "log" if assigned.topic == self._topics.log else "downloads"
        initial = Checkpoint(
            topic=topic,
            partition=assigned.partition,
            cluster_id=self._identity.cluster_id,
            topic_id=self._identity.topic_ids[assigned.topic],
            next_offset=0,
            epoch=0,
            running_hash=bytes(32),
        )
        checkpoint = self._checkpoint_when_possible(initial)
        if (checkpoint.cluster_id, checkpoint.topic_id) != (initial.cluster_id, initial.topic_id):
            raise LogLost(
                f"The read models were built from another {assigned.topic}: cluster {checkpoint.cluster_id}, topic id "
                f"{checkpoint.topic_id}; here are {initial.cluster_id} and {initial.topic_id}. Nothing was changed. "
                "If the log was restored from a backup, `tensorfleet adopt-log`; else restore it, or use another "
                "MONGODB_DB."
            )
        return checkpoint

    def _require_all_of(self, consumer: Consumer, checkpoints: Iterable[Checkpoint]) -> None:
        """LogLost if a partition ends before its checkpoint. Where a broker does not answer nobody is asked on: each
        would keep the projection waiting, and the watch over the log asks again."""
        for one in checkpoints:
            asked = TopicPartition(self._topic(one.topic), one.partition)
            try:
                _, end = consumer.get_watermark_offsets(asked, timeout=_ANSWER_SECONDS, cached=False)
            except KafkaException:
                return
            if end < one.next_offset:
                raise LogLost(
                    f"{asked.topic}[{one.partition}] ends at {end}, but the read models contain it up to "
                    f"{one.next_offset}. The log was truncated. Nothing was changed; restore the log."
                )

    def _checkpoint_when_possible(self, initial: Checkpoint) -> Checkpoint:
        while True:
            try:
                return self._pipeline.store.checkpoint(initial)
            except ReadModelsUnavailable as error:
                self.trouble = error.detail
                if self._pause(0.5):
                    raise

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._finish_commit()
        for one in partitions:
            self._pipeline.checkpoints.pop(self._key(one.topic, one.partition), None)
            self._assigned.discard((one.topic, one.partition))
        consumer.incremental_unassign(partitions)

    def _key(self, topic: str, partition: int) -> str:
        return f"{'log' if topic == self._topics.log else 'downloads'}:{partition}"

    def _topic(self, short: str) -> str:
        return self._topics.log if short == "log" else self._topics.downloads
