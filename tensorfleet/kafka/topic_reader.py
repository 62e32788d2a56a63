"""Reads a range of a topic once, as it stands: for audits, exports and backups."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import Consumer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tensorfleet.domain.errors import LogUnavailable, TopicMismatch
from tensorfleet.events.stored import OffsetRange, StoredRecord
from tensorfleet.kafka import configuration
from tensorfleet.kafka.brokers import Admin
from tensorfleet.kafka.records import Record, from_message

_ANSWER_SECONDS: Final = 10.0
_SILENCE_SECONDS: Final = 30.0
_BURST: Final = 1000


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """`topic_id` is of this incarnation: a topic that is made anew has another one."""

    cluster_id: str
    topic: str
    topic_id: str

    def __str__(self) -> str:
        """As `LogIdentity.of` says it."""
        return f"{self.cluster_id}/{self.topic_id}"


class TopicReader:
    """Every call asks Kafka anew. LogUnavailable if it does not answer, TopicMismatch if there is no such topic."""

    def __init__(self, kafka: Mapping[str, str], topic: str, client_id: str) -> None:
        self.topic = topic
        self._config = configuration.reader(kafka, client_id)
        self._admin = Admin(configuration.admin(kafka, client_id))

    def exists(self) -> bool:
        with self._admin.answered(_ANSWER_SECONDS) as client:
            return self.topic in client.list_topics(timeout=_ANSWER_SECONDS).topics

    def identity(self) -> TopicIdentity:
        self._require()
        with self._admin.answered(_ANSWER_SECONDS) as client:
            described = client.describe_topics(TopicCollection([self.topic]), request_timeout=_ANSWER_SECONDS)
            topic = described[self.topic].result(_ANSWER_SECONDS)
            cluster = client.describe_cluster(request_timeout=_ANSWER_SECONDS).result(_ANSWER_SECONDS)
        return TopicIdentity(cluster.cluster_id, self.topic, str(topic.topic_id))

    def ranges(self) -> list[OffsetRange]:
        """What each partition holds now, by partition."""
        partitions = self._require().partitions
        asked = [TopicPartition(self.topic, number) for number in sorted(partitions)]
        with self._admin.answered(_ANSWER_SECONDS) as client:
            firsts = _offsets(client, asked, OffsetSpec.earliest())
            ends = _offsets(client, asked, OffsetSpec.latest())
        return [OffsetRange(number, firsts[number], ends[number]) for number in sorted(partitions)]

    def value_at(self, partition: int, offset: int) -> bytes | None:
        """The value of one record; None if there is none at this offset."""
        held = self.ranges()[partition]
        if not held.first <= offset < held.end:
            return None
        return next((one.value for one in self.read([OffsetRange(partition, offset, offset + 1)])), None)

    def read(self, ranges: list[OffsetRange]) -> Iterator[StoredRecord]:
        """The records of one range after the other, each in the order of its offsets; offsets may have holes."""
        consumer = Consumer(self._config)
        try:
            for one in ranges:
                if len(one):
                    consumer.assign([TopicPartition(self.topic, one.partition, one.first)])
                    yield from self._read_range(consumer, one)
        finally:
            consumer.close()

    def _read_range(self, consumer: Consumer, wanted: OffsetRange) -> Iterator[StoredRecord]:
        heard = time.monotonic()
        while time.monotonic() < heard + _SILENCE_SECONDS:
            first = consumer.poll(0.5)
            if first is None:
                continue
            heard = time.monotonic()
            for message in (first, *consumer.consume(_BURST, timeout=0)):
                found = from_message(message)
                if found is None or found.partition != wanted.partition:
                    continue
                if found.offset >= wanted.end:
                    return
                if isinstance(found, Record):
                    yield _stored(message)
                    if found.offset == wanted.end - 1:
                        return
        raise LogUnavailable(f"Kafka has sent nothing of {self.topic}[{wanted.partition}] for {_SILENCE_SECONDS:g} s.")

    def _require(self) -> Any:
        with self._admin.answered(_ANSWER_SECONDS) as client:
            found = client.list_topics(timeout=_ANSWER_SECONDS).topics.get(self.topic)
        if found is None:
            raise TopicMismatch(f"Kafka has no topic {self.topic}. Is REGISTRY_ID right?")
        return found


def _offsets(client: AdminClient, asked: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
    answers = client.list_offsets(dict.fromkeys(asked, spec), request_timeout=_ANSWER_SECONDS)
    return {one.partition: int(answer.result(_ANSWER_SECONDS).offset) for one, answer in answers.items()}


def _stored(message: Any) -> StoredRecord:
    kind, milliseconds = message.timestamp()
    return StoredRecord(
        message.partition(),
        message.offset(),
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
        milliseconds if kind else None,
    )
