"""Reads the newest records of who was refused what, for admins."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import OffsetSpec

from tensorfleet.access.audit import AccessRecord
from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.events.access import AccessCodec
from tensorfleet.events.codec import Undecodable
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.brokers import Admin
from tensorfleet.kafka.record_lookup import RecordLookup

_LOG = logging.getLogger(__name__)
MOST_LOOKED_AT: Final = 500
_SECONDS: Final = 4.0
Found = tuple[str, AccessRecord]
"""A record's id, and the record."""


class KafkaAccessReads:
    def __init__(self, kafka: Mapping[str, str], topics: Topics, client_id: str, codec: AccessCodec) -> None:
        self._topic = topics.access_audit
        self._lookup = RecordLookup(kafka, self._topic, f"{client_id}.audit")
        self._admin = Admin(configuration.admin(kafka, client_id))
        self._codec = codec
        self._turn = asyncio.Semaphore(1)

    async def before(self, end: int | None) -> tuple[list[Found], int]:
        """The records right before an offset, or the newest, newest first; and the offset before which more may be.

        At most MOST_LOOKED_AT. LogUnavailable if Kafka does not answer in time.
        """
        async with self._turn:
            return await asyncio.to_thread(self._before, end)

    def _before(self, end: int | None) -> tuple[list[Found], int]:
        oldest, newest = self._offset(OffsetSpec.earliest()), self._offset(OffsetSpec.latest())
        last = newest if end is None else min(end, newest)
        first = max(oldest, last - MOST_LOOKED_AT)
        if first >= last:
            return [], 0
        looked = self._lookup.find(0, range(first, last), _SECONDS)
        if looked.looked_until < last:
            raise LogUnavailable("Kafka does not give out all of the records in time.")
        found = looked.values
        records = [self._decoded(offset, found[offset]) for offset in sorted(found, reverse=True)]
        return [one for one in records if one is not None], first if first > oldest else 0

    def _decoded(self, offset: int, value: bytes | None) -> Found | None:
        """None for what another release of the registry may be able to read."""
        try:
            return self._codec.decode_access(value or b"")
        except Undecodable as error:
            _LOG.warning("%s[0] has a record at offset %d that can't be read: %s", self._topic, offset, error)
            return None

    def _offset(self, spec: OffsetSpec) -> int:
        asked = TopicPartition(self._topic, 0)
        with self._admin.answered(_SECONDS) as client:
            answer = client.list_offsets({asked: spec}, request_timeout=_SECONDS)[asked]
            return int(answer.result(_SECONDS).offset)
