"""One partition's end of the log, on Kafka."""

from __future__ import annotations

from collections.abc import Callable

from services.command_api.partition import CLAIM_KEY
from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.events.envelope import Envelope
from tensorfleet.events.headers import cloud_event_headers
from tensorfleet.events.topics import Topics
from tensorfleet.kafka.follower import Follower
from tensorfleet.kafka.producer import LoopProducer


class KafkaLog:
    def __init__(
        self, topics: Topics, partition: int, producer: LoopProducer, follower: Follower, codec: Codec
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._producer = producer
        self._follower = follower
        self._codec = codec

    def append(
        self, envelope: Envelope, value: bytes, traceparent: str | None, failed: Callable[[LogUnavailable], None]
    ) -> None:
        def report(error: LogUnavailable | None, _: int) -> None:
            if error is not None:
                failed(error)

        schema_id = self._codec.event_schema_id(envelope.event_type)
        headers = cloud_event_headers(envelope, self._topics.registry, schema_id, traceparent)
        key = envelope.model_id.encode() or CLAIM_KEY
        self._producer.append(self._topics.log, self._partition, key, value, headers, report)

    async def end(self) -> int:
        return await self._follower.end_of(self._partition)
