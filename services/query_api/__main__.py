"""Runs the query API on its own: `python -m services.query_api`."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from services.query_api.app import query_routes
from services.query_api.events.feed import event_feed
from services.query_api.files.damage import DamageReports
from services.query_api.files.download_log import KafkaDownloadLog
from services.query_api.health import query_health
from services.query_api.settings import QuerySettings
from tensorfleet.blobs.connection import blob_store
from tensorfleet.blobs.presigning import presigner_of
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.access.side import access_side
from tensorfleet.http.app import make_app
from tensorfleet.http.health import health_routes
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.serving.server import serve
from tensorfleet.kafka import configuration
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.kafka.record_lookup import RecordLookup
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.mongo.checkpoint_watch import CheckpointWatch
from tensorfleet.mongo.live_generation import LiveGeneration
from tensorfleet.mongo.read_models import ReadModels, connect
from tensorfleet.mongo.shape import require_shape
from tensorfleet.mongo.standing import StandingReader
from tensorfleet.process import Lifeline, run
from tensorfleet.settings import load


async def main(settings: QuerySettings) -> None:
    lifeline, metrics, catalogue = Lifeline(), Metrics(), Catalogue()
    topics = Topics(settings.registry_id, settings.log_partitions)
    client_id = f"{topics.registry}.query_api"
    admin = configuration.admin(settings.kafka, client_id)
    await asyncio.to_thread(prepare_topics, admin, topics.specs, settings.replication_factor)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lifeline.close)
        mongodb = connect(settings.mongodb_url.get_secret_value())
        stack.push_async_callback(mongodb.close)
        live = LiveGeneration(mongodb, settings.mongodb_db)
        await require_shape(live)
        lifeline.spawn(live.run())
        reads = ReadModels(live)
        watch = CheckpointWatch(live)
        lifeline.spawn(watch.run())
        blobs = stack.enter_context(blob_store(settings))
        producer = LoopProducer(configuration.patient_producer(settings.kafka, client_id))
        stack.push_async_callback(producer.close)
        access = await stack.enter_async_context(access_side(settings, topics, catalogue, lifeline, client_id))
        routes = query_routes(
            reads=reads,
            blobs=blobs,
            damage=DamageReports(blobs, blobs.suspects, metrics),
            downloads=KafkaDownloadLog(producer, topics, Codec(catalogue), _now, metrics),
            waiter=watch,
            records=RecordLookup(settings.kafka, topics.log, client_id),
            catalogue=catalogue,
            topics=topics,
            clock=_now,
            cursor_key=settings.cursor_key,
            max_page_size=settings.max_page_size,
            position_wait_seconds=settings.projection_wait,
            download_timeout_seconds=settings.download_timeout,
            quarantine=settings.quarantine,
            presigner=presigner_of(settings),
        )
        events = await stack.enter_async_context(
            event_feed(settings, topics, Codec(catalogue), watch, metrics, lifeline, client_id, access.still_counts)
        )
        health = query_health(reads, blobs, metrics, settings.warnings)
        routers = [*routes.routers, events.routes, *access.query_routes(), health_routes(health, metrics)]
        app = make_app(
            "TensorFleet Model Registry: queries",
            metrics,
            routers,
            cors_origins=settings.cors_origins,
            hosts=settings.own_hosts,
            on_unexpected=lifeline.fail,
            guard=access.guard,
            limits=access.limits,
            innermost=routes.keeping_answers(StandingReader(live), settings.kept_answers),
        )
        await serve(app, settings, lifeline, events.streams.end)


def _now() -> int:
    return time.time_ns() // 1_000


if __name__ == "__main__":
    run(main, lambda: load(QuerySettings))
