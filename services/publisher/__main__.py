"""The publisher process: settings, adapters, a session for each licensed partition, health on PORT, run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from services.publisher.publishers import Publishers
from tensorfleet.blobs.connection import blob_store
from tensorfleet.domain.errors import LogLost
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.health_app import serve_health
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.availability import KafkaCheck
from tensorfleet.kafka.log_snapshots import LogSnapshots
from tensorfleet.kafka.log_watch import LogWatch
from tensorfleet.kafka.membership import Membership
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.process import Lifeline, run
from tensorfleet.settings import Settings, load


async def main(settings: Settings) -> None:
    lifeline, metrics = Lifeline(), Metrics()
    topics = Topics(settings.registry_id, settings.log_partitions)
    client_id = f"{topics.registry}.publisher"
    admin = configuration.admin(settings.kafka, client_id)
    identity = await asyncio.to_thread(prepare_topics, admin, topics.specs, settings.replication_factor)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lifeline.close)
        blobs = stack.enter_context(blob_store(settings))
        snapshots = LogSnapshots(TopicReader(settings.kafka, topics.log, client_id), identity, blobs.snapshots)
        publishers = Publishers(settings.kafka, topics, Codec(Catalogue()), snapshots, metrics, lifeline)
        stack.push_async_callback(publishers.stop)

        def fail(error: BaseException) -> None:
            publishers.lost(error) if isinstance(error, LogLost) else lifeline.fail(error)

        membership = Membership(
            configuration.member(settings.kafka, client_id, topics.group("publisher")),
            topics.log,
            publishers.on_licence,
            fail,
        )
        stack.push_async_callback(membership.stop)
        membership.start()
        log_watch = LogWatch(admin, topics.specs, (topics.log,), identity)
        lifeline.spawn(log_watch.run(publishers.lost))
        lifeline.spawn(publishers.end_if_stuck())
        await serve_health(
            "publisher",
            settings,
            topics,
            {"kafka": KafkaCheck(admin), "publishing": publishers.check},
            metrics,
            lifeline,
        )


if __name__ == "__main__":
    run(main, lambda: load(Settings))
