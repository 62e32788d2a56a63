"""The public feed in Kafka: bounded reads by a few consumers that are kept, and one that follows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tensorfleet.domain.errors import FeedUnavailable, LogLost
from tensorfleet.events.feed import Burst, NoSuchPlace, PartitionSlice, Place
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.follower import Follower
from tensorfleet.kafka.records import Record, from_message

MOST_BYTES_EACH: Final = 2 * 1024 * 1024
_READ_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 3.0
_BURST: Final = 500


class KafkaFeed:
    """A Feed, with as many consumers as ever read at once. `close` it when no read is under way."""

    def __init__(self, kafka: Mapping[str, str], topics: Topics, client_id: str) -> None:
        self._topic = topics.feed
        self._partitions = topics.partitions
        # A read that stands at the end of all its partitions waits so long to learn it.
        self._reading = {**configuration.reader(kafka, client_id), "fetch.wait.max.ms": 5}
        self._following = configuration.reader(kafka, client_id)
        self._admin_config = configuration.admin(kafka, client_id)
        self._admin = AdminClient(self._admin_config)
        self._idle: list[Consumer] = []

    async def ends(self) -> Place:
        asked = [TopicPartition(self._topic, number) for number in range(self._partitions)]
        try:
            answers = self._admin.list_offsets(
                dict.fromkeys(asked, OffsetSpec.latest()),
                request_timeout=_ANSWER_SECONDS,
                isolation_level=IsolationLevel.READ_COMMITTED,
            )
            found = await asyncio.gather(*(asyncio.wrap_future(answers[one]) for one in asked))
        except KafkaException as error:
            raise FeedUnavailable(f"Kafka does not say where the feed ends: {error.args[0].str()}") from error
        return tuple(int(one.offset) for one in found)

    def read(self, offsets: Mapping[int, int], most_each: int) -> Mapping[int, PartitionSlice]:
        with self._consumer() as consumer:
            consumer.assign([TopicPartition(self._topic, number, offset) for number, offset in offsets.items()])
            slices = {number: _Slice(offset, most_each) for number, offset in offsets.items()}
            deadline = time.monotonic() + _READ_SECONDS
            while not all(one.complete for one in slices.values()):
                if time.monotonic() > deadline:
                    raise FeedUnavailable(f"Kafka has not sent the feed within {_READ_SECONDS:g} s.")
                self._gather(consumer, slices)
            consumer.unassign()
        return {number: PartitionSlice(one.records, one.next_offset, one.at_end) for number, one in slices.items()}

    def follow(
        self, place: Place, on_burst: Callable[[Burst], None], on_failure: Callable[[BaseException], None]
    ) -> Follower:
        offsets = dict(enumerate(place))
        follower = Follower(self._following, self._admin_config, self._topic, offsets, on_burst, on_failure)
        follower.start()
        return follower

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        """A kept one, or one more; one that failed is not kept."""
        try:
            consumer = self._idle.pop()
        except IndexError:
            consumer = Consumer(dict(self._reading))
        try:
            yield consumer
        except KafkaException as error:
            consumer.close()
            raise FeedUnavailable(f"Kafka does not give out the feed: {error.args[0].str()}") from error
        except BaseException:
            consumer.close()
            raise
        self._idle.append(consumer)

    def _gather(self, consumer: Consumer, slices: Mapping[int, _Slice]) -> None:
        first = consumer.poll(0.1)
        if first is None:
            return
        for message in (first, *consumer.consume(_BURST, timeout=0)):
            try:
                found = from_message(message)
            except LogLost as error:
                raise NoSuchPlace(error.detail) from error
            if found is None or found.topic != self._topic or found.partition not in slices:
                continue
            one = slices[found.partition]
            was_complete = one.complete
            if isinstance(found, Record):
                one.add(found)
            else:
                one.end(found.offset)
            if one.complete and not was_complete and not one.at_end:
                # Not pause: that would outlast the assignment.
                consumer.incremental_unassign([TopicPartition(self._topic, found.partition)])


class _Slice:
    """A PartitionSlice as it grows."""

    def __init__(self, offset: int, most: int) -> None:
        self.records: list[Record] = []
        self.next_offset = offset
        self.at_end = False
        self._most = most
        self._bytes = 0

    @property
    def complete(self) -> bool:
        return self.at_end or len(self.records) >= self._most or self._bytes >= MOST_BYTES_EACH

    def add(self, record: Record) -> None:
        if self.complete or record.offset < self.next_offset:
            return
        self.records.append(record)
        self.next_offset = record.offset + 1
        self._bytes += len(record.value or b"")

    def end(self, offset: int) -> None:
        if not self.complete:
            self.at_end = True
            self.next_offset = max(self.next_offset, offset)
