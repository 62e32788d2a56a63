"""The publisher process: settings, adapters, one session after the other in a thread, health on PORT, run."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import uuid
from contextlib import AsyncExitStack
from typing import Any

from services.publisher.session import Publisher
from tensorfleet.domain.errors import LogLost, LogUnavailable
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.app import make_app
from tensorfleet.http.health import Health, health_routes
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.availability import KafkaCheck
from tensorfleet.kafka.log_watch import LogWatch
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.process import Halt, Lifeline, run, serve
from tensorfleet.settings import Settings, load

_LOG = logging.getLogger(__name__)
_STUCK_SECONDS = 40.0


class Sessions:
    """Runs sessions until `stopping` is set; a session that Kafka ended is followed by a new one."""

    def __init__(self, settings: Settings, topics: Topics, metrics: Metrics, stopping: threading.Event) -> None:
        self._settings = settings
        self._topics = topics
        self._metrics = metrics
        self._stopping = stopping
        self._codec = Codec(Catalogue())
        self._current: Publisher | None = None
        self.halt = Halt()

    def run(self) -> None:
        while not self._stopping.is_set():
            self._current = self._session()
            try:
                self._current.run()
            except LogLost as error:
                self.halt.because(error)
                return
            except LogUnavailable as error:
                _LOG.warning("a new session begins: %s", error.detail)
                self._stopping.wait(1.0)

    def lost(self, error: LogLost) -> None:
        self.halt.because(error)
        self._stopping.set()

    async def end_if_stuck(self) -> None:
        """librdkafka sometimes never returns from send_offsets_to_transaction after a broker has died, whatever its
        time-out says (its issues 5456 and 5511). Only another process gets on then; Kafka aborts the transaction."""
        while True:
            await asyncio.sleep(1.0)
            began = self._current.transaction_began if self._current else None
            if began is not None and time.monotonic() - began > _STUCK_SECONDS:
                _LOG.critical("a transaction has not ended for %.0f s: the process ends", _STUCK_SECONDS)
                os._exit(1)

    async def check(self) -> str | None:
        session = self._current
        if self.halt.reason is not None:
            return self.halt.reason
        return None if session is not None and session.assigned else "no partitions are assigned yet"

    def _session(self) -> Publisher:
        client_id = f"{self._topics.registry}.publisher"
        kafka = self._settings.kafka
        return Publisher(
            configuration.member(kafka, client_id, self._topics.group("publisher")),
            configuration.transactional_producer(kafka, client_id, f"{client_id}.{uuid.uuid4()}"),
            self._topics,
            self._codec,
            self._metrics,
            self._stopping.is_set,
        )


async def main(settings: Settings) -> None:
    lifeline, metrics = Lifeline(), Metrics()
    topics = Topics(settings.registry_id, settings.log_partitions)
    admin = configuration.admin(settings.kafka, f"{topics.registry}.publisher")
    identity = await asyncio.to_thread(prepare_topics, admin, topics.specs, settings.replication_factor)
    stopping = threading.Event()
    sessions = Sessions(settings, topics, metrics, stopping)

    async def numbers() -> dict[str, Any]:
        return {}

    health = Health("publisher", {"kafka": KafkaCheck(admin), "publishing": sessions.check}, numbers)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lifeline.close)
        app = make_app(
            "TensorFleet publisher",
            metrics,
            [health_routes(health, metrics)],
            cors_origins=settings.cors_origins,
            on_unexpected=lifeline.fail,
        )
        log_watch = LogWatch(admin, topics.specs, (topics.log,), identity)
        lifeline.spawn(log_watch.run(sessions.lost))
        lifeline.spawn(sessions.end_if_stuck())
        publishing = lifeline.spawn(asyncio.to_thread(sessions.run))
        try:
            await serve(app, settings, lifeline)
        finally:
            stopping.set()
            await asyncio.wait({publishing})


if __name__ == "__main__":
    run(main, lambda: load(Settings))
