"""The access topics in Kafka: the keys, which every process follows by itself, and who was refused what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

import uuid_utils
from confluent_kafka import OFFSET_BEGINNING

from tensorfleet.access.audit import AccessRecord, Tally
from tensorfleet.access.key_table import KeyTable
from tensorfleet.access.keys import AccessKey, KeyUse
from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.events.access import AccessCodec
from tensorfleet.events.codec import Undecodable
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.follower import Burst, Follower
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.kafka.records import EndOfPartition, Record

_LOG = logging.getLogger(__name__)
FLUSH_SECONDS: Final = 5.0
_START_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 10.0
_USED: Final = b".used"
"""A key's uses are records of their own: were they the key's, one that is late could bring back a revoked key."""


class KeyTopic:
    """Follows the keys into `table`, and appends to them."""

    def __init__(
        self,
        kafka: Mapping[str, str],
        topics: Topics,
        client_id: str,
        table: KeyTable,
        codec: AccessCodec,
        producer: LoopProducer,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._topic = topics.access_keys
        self._table = table
        self._codec = codec
        self._producer = producer
        self._next = 0
        self._read = asyncio.Event()
        self._changed = asyncio.Condition()
        self._follower = Follower(
            configuration.reader(kafka, f"{client_id}.access"),
            configuration.admin(kafka, client_id),
            self._topic,
            {0: OFFSET_BEGINNING},
            self._on_burst,
            on_failure,
        )

    async def start(self) -> None:
        """Returns when every key is known. LogUnavailable if Kafka does not give them out in time."""
        self._follower.start()
        try:
            await asyncio.wait_for(self._read.wait(), _START_SECONDS)
        except TimeoutError:
            raise LogUnavailable(f"Kafka does not give out {self._topic}.") from None

    async def stop(self) -> None:
        await self._follower.stop()

    async def put(self, key: AccessKey) -> None:
        """Append what became of a key, and return when this process has read it. LogUnavailable."""
        name, value = key.key_id.encode(), self._codec.encode_key(key)
        offset = await self._producer.append_and_wait(self._topic, 0, name, value, [])
        try:
            async with asyncio.timeout(_ANSWER_SECONDS), self._changed:
                await self._changed.wait_for(lambda: self._next > offset)
        except TimeoutError:
            raise LogUnavailable(
                "Kafka took the key, and does not give it out yet. Look at the list of keys."
            ) from None

    def used(self, use: KeyUse) -> None:
        """Append a use; what Kafka does not take is not missed before the next hour."""
        name = use.key_id.encode() + _USED
        try:
            self._producer.append(self._topic, 0, name, self._codec.encode_key(use), [], lambda error, _: None)
        except LogUnavailable as error:
            _LOG.warning("a key's use was not put on record: %s", error.detail)

    def _on_burst(self, burst: Burst) -> None:
        for one in burst:
            if isinstance(one, EndOfPartition):
                self._read.set()
                self._next = max(self._next, one.offset)
            else:
                self._take(one)
                self._next = one.offset + 1
        asyncio.ensure_future(self._wake())  # noqa: RUF006 (ends by itself, at once)

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _take(self, record: Record) -> None:
        key_id = (record.key or b"").decode("ascii", "replace")
        if key_id.endswith(_USED.decode()) and record.value is None:
            return
        try:
            if record.value is None:
                self._table.forget(key_id)
            else:
                self._table.apply(self._codec.decode_key(record.value))
        except Undecodable as error:
            _LOG.error(
                "the record of key %r at %d can't be read, so it does not count: %s", key_id, record.offset, error
            )
            self._table.forget(key_id)


class AuditTopic:
    """Appends what a tally has counted, every few seconds, and once more at the end."""

    def __init__(self, topics: Topics, tally: Tally, codec: AccessCodec, producer: LoopProducer) -> None:
        self._topic = topics.access_audit
        self._tally = tally
        self._codec = codec
        self._producer = producer

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()

    def flush(self) -> None:
        for record in self._tally.drain():
            self._append(record)

    def _append(self, record: AccessRecord) -> None:
        record_id = str(uuid_utils.uuid7())
        name = (record.access.key_id or record.access.address).encode()

        def report(error: LogUnavailable | None, _: int) -> None:
            if error is not None:
                self._lost(record, error)

        try:
            self._producer.append(self._topic, 0, name, self._codec.encode_access(record_id, record), [], report)
        except LogUnavailable as error:
            self._lost(record, error)

    def _lost(self, record: AccessRecord, error: LogUnavailable) -> None:
        """What Kafka does not take is in the process's own log at least."""
        _LOG.error("not on record: %s, %d times (%s)", record.access, record.count, error.detail)
