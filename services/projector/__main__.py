"""The projector process: settings, adapters, the projection in its thread, health on PORT, signals, run."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from typing import Any

from services.projector.consumer import Projector
from services.projector.replays import Replays
from services.projector.upkeep import keep_windows_exact
from tensorfleet.domain.errors import LogLost
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.availability import KafkaCheck
from tensorfleet.kafka.dead_letters import DeadLetterTopic
from tensorfleet.kafka.log_watch import LogWatch
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.mongo.generation_stores import GenerationStores, open_generations
from tensorfleet.mongo.live_store import LiveStore
from tensorfleet.process import Halt, Lifeline, run
from tensorfleet.settings import Settings, load


async def main(settings: Settings) -> None:
    """The projection begins before anything that only serves HTTP is even imported: clients wait for it."""
    lifeline, metrics, halt = Lifeline(), Metrics(), Halt()
    topics = Topics(settings.registry_id, settings.log_partitions)
    client_id = f"{topics.registry}.projector"
    admin = configuration.admin(settings.kafka, client_id)
    stopping = threading.Event()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lifeline.close)
        stores = stack.enter_context(open_generations(settings.mongodb_url.get_secret_value(), settings.mongodb_db))
        identity, live = await asyncio.gather(
            asyncio.to_thread(prepare_topics, admin, topics.specs, settings.replication_factor),
            asyncio.to_thread(_prepared, stores),
        )
        projector = Projector(
            configuration.member(settings.kafka, client_id, topics.group("projector"), settings.own_name),
            topics,
            identity,
            live.current(),
            Codec(Catalogue()),
            metrics,
            DeadLetterTopic(configuration.producer(settings.kafka, client_id), topics.dead_letters),
            stopping.wait,
            live.next,
            Replays(TopicReader(settings.kafka, topics.log, client_id), Codec(Catalogue())),
        )

        def lost(error: LogLost) -> None:
            halt.because(error)
            stopping.set()

        def project() -> None:
            try:
                projector.run()
            except LogLost as error:
                halt.because(error)

        working = {
            lifeline.spawn(asyncio.to_thread(project)),
            lifeline.spawn(asyncio.to_thread(keep_windows_exact, stores, stopping.wait)),
        }

        async def end() -> None:
            stopping.set()
            await asyncio.wait(working)

        stack.push_async_callback(end)
        log_watch = LogWatch(admin, topics.specs, (topics.log, topics.downloads), identity)
        lifeline.spawn(log_watch.run(lost))

        async def check_projection() -> str | None:
            waiting = None if projector.assigned else "no partitions are assigned yet"
            return halt.reason or projector.trouble or waiting

        async def numbers() -> dict[str, Any]:
            return {"projection_lag_events": sum(projector.lag.values())}

        from tensorfleet.http.health_app import serve_health

        await serve_health(
            "projector",
            settings,
            topics,
            {"kafka": KafkaCheck(admin), "projection": check_projection},
            metrics,
            lifeline,
            numbers,
        )


def _prepared(stores: GenerationStores) -> LiveStore:
    live = LiveStore(stores)
    live.current().prepare()
    return live


if __name__ == "__main__":
    run(main, lambda: load(Settings))
