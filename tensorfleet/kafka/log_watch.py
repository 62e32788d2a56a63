"""Asks Kafka again and again whether the log is still the one that was there at start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tensorfleet.domain.errors import LogLost, TopicMismatch
from tensorfleet.events.topics import TopicSpec
from tensorfleet.kafka.brokers import Admin
from tensorfleet.kafka.topics import LogIdentity, describe_topics

_LOG = logging.getLogger(__name__)
CHECK_SECONDS: Final = 3.0
CONFIRM_SECONDS: Final = 1.5
TIMES_SEEN: Final = 4
_REQUEST_SECONDS: Final = 5.0


class LogWatch:
    """`kept_for_ever` are the topics whose records must all be there; `specs` include those and others."""

    def __init__(
        self,
        kafka_admin: Mapping[str, object],
        specs: Iterable[TopicSpec],
        kept_for_ever: Iterable[str],
        identity: LogIdentity,
    ) -> None:
        self._admin = Admin(kafka_admin)
        self._specs = {one.name: one for one in specs}
        self._kept = [
            TopicPartition(name, number) for name in kept_for_ever for number in range(self._specs[name].partitions)
        ]
        self._identity = identity
        self._ends: dict[tuple[str, int], int] = {}

    async def run(self, on_lost: Callable[[LogLost], None]) -> None:
        """Until the log is lost, or for ever. That Kafka does not answer is not news: others say so.

        A broker that has just started may not know a topic for a moment, and a new leader may not know how far its
        predecessor was: a loss counts once it was seen several times in a row.
        """
        seen = 0
        while True:
            await asyncio.sleep(CHECK_SECONDS if seen == 0 else CONFIRM_SECONDS)
            try:
                await asyncio.to_thread(self.check)
                seen = 0
            except LogLost as error:
                seen += 1
                if seen == TIMES_SEEN:
                    on_lost(error)
                    return
            except (KafkaException, TimeoutError) as error:
                _LOG.debug("the log could not be looked at: %s", error)

    def check(self) -> None:
        """LogLost if the log is not what it was. KafkaException, TimeoutError if Kafka does not answer."""
        with self._admin.asking() as client:
            self._check_identity(client)
            self._check_offsets(client)

    def _check_identity(self, client: AdminClient) -> None:
        try:
            found = describe_topics(client, self._specs)
        except TopicMismatch as error:
            raise LogLost(f"The log was changed under the registry. {error.detail}") from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise LogLost("A topic of the log was deleted. Nothing was changed; restore the log.") from error
            raise
        if found.cluster_id != self._identity.cluster_id:
            raise LogLost(
                f"Another Kafka answers at this address: cluster {found.cluster_id}, not {self._identity.cluster_id}. "
                "Nothing was changed; bring the right one back."
            )
        for name, topic_id in self._identity.topic_ids.items():
            if found.topic_ids.get(name) != topic_id:
                raise LogLost(f"{name} was deleted and made anew. Nothing was changed; restore the log.")

    def _check_offsets(self, client: AdminClient) -> None:
        for (topic, number), begin in self._offsets(client, OffsetSpec.earliest()).items():
            if begin > 0:
                raise LogLost(
                    f"{topic}[{number}] begins at {begin}: its first records were deleted. Nothing was changed; "
                    "restore the log."
                )
        ends = self._offsets(client, OffsetSpec.latest())
        for (topic, number), end in ends.items():
            known = self._ends.get((topic, number), 0)
            if end < known:
                raise LogLost(
                    f"{topic}[{number}] ends at {end} and ended at {known} before: its last records are gone. Nothing "
                    "was changed; restore the log."
                )
        self._ends = ends

    def _offsets(self, client: AdminClient, which: OffsetSpec) -> dict[tuple[str, int], int]:
        asked = {one: which for one in self._kept}
        answers = client.list_offsets(asked, request_timeout=_REQUEST_SECONDS)
        return {
            (one.topic, one.partition): answer.result(timeout=_REQUEST_SECONDS).offset
            for one, answer in answers.items()
        }
