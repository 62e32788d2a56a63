"""Downloads put on record in Kafka: one ModelDownloaded event each, acknowledged."""

from __future__ import annotations

import asyncio
from typing import Final

import uuid_utils

from services.query_api.ports import Clock
from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.domain.names import partition_of
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope
from tensorfleet.events.headers import cloud_event_headers
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka.producer import LoopProducer

ACKNOWLEDGMENT_SECONDS: Final = 8.0
_NO_STREAM: Final = 0
_NO_PREVIOUS: Final = bytes(32)


class KafkaDownloadLog:
    """A DownloadLog. The events belong to no stream: no ownership, no sequence, no hash chain."""

    def __init__(self, producer: LoopProducer, topics: Topics, codec: Codec, clock: Clock, metrics: Metrics) -> None:
        self._producer = producer
        self._topics = topics
        self._codec = codec
        self._clock = clock
        self._metrics = metrics

    async def record(
        self, model_id: str, model_name: str, version: str, algorithm: str, size_bytes: int, actor: str
    ) -> None:
        event_id = str(uuid_utils.uuid7())
        envelope = Envelope(
            epoch=_NO_STREAM,
            sequence=_NO_STREAM,
            model_id=model_id,
            event_id=event_id,
            command_id=event_id.replace("-", ""),
            previous_hash=_NO_PREVIOUS,
            model_name=model_name,
            command_hash=None,
            occurred_at=self._clock(),
            actor=actor,
            event=ModelDownloaded(version, algorithm, size_bytes),
        )
        headers = cloud_event_headers(
            envelope, self._topics.registry, self._codec.event_schema_id(envelope.event_type), None
        )
        appended = self._producer.append_and_wait(
            self._topics.downloads,
            partition_of(model_id, self._topics.partitions),
            model_id.encode(),
            self._codec.encode(envelope),
            headers,
        )
        try:
            await asyncio.wait_for(appended, ACKNOWLEDGMENT_SECONDS)
        except TimeoutError:
            raise LogUnavailable(
                f"Kafka did not acknowledge the download within {ACKNOWLEDGMENT_SECONDS:g} s."
            ) from None
        self._metrics.downloaded(algorithm)
