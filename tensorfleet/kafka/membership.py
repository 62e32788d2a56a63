"""Group membership as a licence: which partitions this instance may try to own. It never fetches a record."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka.brokers import noticing
from tensorfleet.kafka.polling import poll
from tensorfleet.kafka.records import from_message

_LOG = logging.getLogger(__name__)
_LEAVE_SECONDS: Final = 2.0
_ASK_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.2


def leave(consumer: Consumer, done: Callable[[], bool]) -> None:
    """Give up the membership at once, even one that is to outlast a restart. Close the consumer afterwards.

    `done`: the callbacks have been called. LogUnavailable if the client has given up.
    """
    consumer.unsubscribe()
    deadline = time.monotonic() + _LEAVE_SECONDS
    while not done() and time.monotonic() < deadline:
        poll(consumer, 0.05)
    poll(consumer, 0.1)  # the request to leave is sent by another thread, and never after close


class Membership:
    """Calls `on_licence(partition, held)` on the event loop whenever the group says so."""

    def __init__(
        self,
        config: Mapping[str, object],
        topic: str,
        on_licence: Callable[[int, bool], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._config = dict(config)
        self._topic = topic
        self._on_licence = on_licence
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)
        self._held: set[int] = set()
        self._member_id: str | None = None

    @property
    def leaving(self) -> bool:
        return self._stopping.is_set()

    def start(self) -> None:
        self._thread.start()

    def leave(self) -> None:
        """Begin to leave the group, so that another member is licensed at once."""
        self._stopping.set()

    async def has_others(self, admin: Mapping[str, object]) -> bool:
        """Whether others may be licensed instead of this one, as Kafka tells; False if it does not answer."""
        return await asyncio.to_thread(self._has_others, admin)

    async def stop(self) -> None:
        self.leave()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join)

    def _has_others(self, admin: Mapping[str, object]) -> bool:
        group = str(self._config["group.id"])
        client = AdminClient(dict(admin))
        try:
            asked = client.describe_consumer_groups([group], request_timeout=_ASK_SECONDS)
            members = asked[group].result(_ASK_SECONDS).members
        except (KafkaException, TimeoutError):
            return False
        return any(one.member_id != self._member_id for one in members)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._be_member()
        except BaseException as error:
            self._tell_loop(self._on_failure, error)

    def _be_member(self) -> None:
        """Until it is to leave, or the client gives up: then it holds nothing, and the next one may begin."""
        consumer = Consumer(noticing(self._config))
        try:
            consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
            while not self._stopping.is_set():
                message = poll(consumer, 0.2)
                if message is not None:
                    from_message(message)
            leave(consumer, lambda: not self._held)
        except LogUnavailable as error:
            _LOG.warning("a new member of the group begins: %s", error.detail)
            for partition in sorted(self._held):
                self._tell_loop(self._on_licence, partition, False)
            self._held.clear()
            self._stopping.wait(_PAUSE_SECONDS)
        finally:
            consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Offset 0 is never fetched from: the partitions are paused. It keeps auto.offset.reset=error silent.
        consumer.incremental_assign([TopicPartition(one.topic, one.partition, 0) for one in partitions])
        consumer.pause(partitions)
        self._member_id = consumer.memberid()
        self._tell(partitions, True)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        self._tell(partitions, False)

    def _tell(self, partitions: list[TopicPartition], held: bool) -> None:
        for one in partitions:
            (self._held.add if held else self._held.discard)(one.partition)
            self._tell_loop(self._on_licence, one.partition, held)

    def _tell_loop(self, callback: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *arguments)
