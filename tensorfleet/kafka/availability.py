"""A cheap question to Kafka: does it answer?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from confluent_kafka import KafkaException

from tensorfleet.kafka.brokers import Admin


class KafkaCheck:
    """Asks for the cluster's id over a connection that is kept."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._admin = Admin(config)

    async def __call__(self) -> str | None:
        try:
            await asyncio.to_thread(self._ask)
        except KafkaException as error:
            return f"Kafka does not answer: {error.args[0].str()}"
        return None

    def _ask(self) -> None:
        with self._admin.asking() as client:
            client.list_topics(timeout=2.0)
