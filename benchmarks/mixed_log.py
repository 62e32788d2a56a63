"""Writes a log as a busy registry would have left it; most of what happens to models is that they are downloaded."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import uuid_utils
from confluent_kafka import KafkaError, Message, Producer

from tensorfleet.domain import commands as c
from tensorfleet.domain.decider import decide
from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.guard import EMPTY_STREAM, NO_HASH, StreamHead
from tensorfleet.domain.model import INITIAL, LiveModel, Model
from tensorfleet.domain.names import model_id_of, partition_of
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope, OwnershipClaimed
from tensorfleet.events.fold import head_of
from tensorfleet.events.headers import cloud_event_headers
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration

SHARES = {"register": 5, "version": 10, "update": 10, "download": 75}
_ALGORITHMS = ("RandomForest", "XGBoost", "LogisticRegression", "ResNet", "LightGBM", "SVM")
_START = 1_760_000_000_000_000


@dataclass(slots=True)
class _Stream:
    name: str
    id: str
    model: Model = INITIAL
    head: StreamHead = EMPTY_STREAM


class MixedLog:
    """Valid for the guard: each partition claimed first, sequences contiguous, hashes chained."""

    def __init__(
        self,
        kafka: dict[str, str],
        topics: Topics,
        codec: Codec,
        shares: Mapping[str, int] = SHARES,
        start: int = _START,
    ) -> None:
        """`start`: when the first event happened, in microseconds since 1970."""
        self._producer = Producer(configuration.filling_producer(kafka, "bench"))
        self._producer.list_topics(timeout=20)  # else it looks for a broker, that gives it its id, half a second later
        self._topics = topics
        self._shares = shares
        self._codec = codec
        self._streams: list[_Stream] = []
        self._random = random.Random(2025)
        self._now = start
        self._failed: list[str] = []

    def write(self, events: int, seconds_apart: int = 1) -> int:
        """The number of records written: the events, and a claim for each partition."""
        for partition in range(self._topics.partitions):
            claim = OwnershipClaimed("http://127.0.0.1", "benchmark")
            self._send(self._envelope(_Stream("", ""), 0, NO_HASH, claim), self._topics.log, partition)
        for kind in self._random.choices(list(self._shares), list(self._shares.values()), k=events):
            self._now += seconds_apart * 1_000_000
            stream = self._random.choice(self._streams) if self._streams else None
            if stream is None or kind == "register":
                stream = self._register()
            elif kind == "download":
                self._download(stream)
            else:
                self._append(stream, self._change(kind))
        self._flush()
        return events + self._topics.partitions

    def _register(self) -> _Stream:
        name = f"model_{len(self._streams):06d}"
        stream = _Stream(name, model_id_of(name))
        self._streams.append(stream)
        fields = c.ModelFields(
            self._random.choice(_ALGORITHMS), "scikit-learn", "Finds fraud in card payments.", ("fraud", "prod"), "ann"
        )
        version = c.VersionFields(
            {"n_estimators": 200, "max_depth": 12}, {"accuracy": 0.952, "f1": 0.94}, {"name": "payments", "rows": 120}
        )
        self._append(stream, c.RegisterModel(name, fields, version))
        return stream

    def _change(self, kind: str) -> c.Command:
        if kind == "report":
            return c.ReportMetrics({"loss": self._random.random(), "auc": self._random.random()}, self._now)
        metrics = c.VersionFields(metrics={"accuracy": self._random.random()})
        return c.CreateVersion(version_fields=metrics) if kind == "version" else c.UpdateModel(version_fields=metrics)

    def _append(self, stream: _Stream, command: c.Command) -> None:
        event = decide(command, stream.model, stream.id)
        assert event is not None
        envelope = self._envelope(stream, stream.head.sequence + 1, stream.head.hash, event)
        value = self._send(envelope, self._topics.log, partition_of(stream.id, self._topics.partitions))
        stream.model = evolve(stream.model, event)
        stream.head = StreamHead(envelope.sequence, head_of(envelope, value).hash)

    def _download(self, stream: _Stream) -> None:
        assert isinstance(stream.model, LiveModel)
        event = ModelDownloaded(str(stream.model.newest.number), stream.model.algorithm, 1_000_000)
        envelope = self._envelope(stream, 0, NO_HASH, event, epoch=0)
        self._send(envelope, self._topics.downloads, partition_of(stream.id, self._topics.partitions))

    def _envelope(self, stream: _Stream, sequence: int, previous: bytes, event: object, epoch: int = 1) -> Envelope:
        event_id = str(uuid_utils.uuid7())
        return Envelope(
            epoch=epoch,
            sequence=sequence,
            model_id=stream.id,
            event_id=event_id,
            command_id=event_id.replace("-", ""),
            previous_hash=previous,
            model_name=stream.name,
            command_hash=None,
            occurred_at=self._now,
            actor="anonymous",
            event=event,  # type: ignore[arg-type]
        )

    def _send(self, envelope: Envelope, topic: str, partition: int) -> bytes:
        value = self._codec.encode(envelope)
        headers = cloud_event_headers(
            envelope, self._topics.registry, self._codec.event_schema_id(envelope.event_type), None
        )
        key = envelope.model_id.encode() or b"ownership"
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition=partition, headers=headers, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return value

    def _flush(self) -> None:
        left = self._producer.flush(60)
        assert left == 0 and not self._failed, f"{left} records were not sent, {len(self._failed)} failed"

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.str())
