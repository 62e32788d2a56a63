"""The command API on its own: settings, adapters in an exit stack, the app, run."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

from services.command_api.health import ProjectionLag
from services.command_api.service import command_side
from tensorfleet.blobs.connection import blob_store
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.topics import Topics
from tensorfleet.http.access.side import access_side
from tensorfleet.http.app import make_app
from tensorfleet.http.health import Check, Health, health_routes
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.serving.server import serve
from tensorfleet.kafka import configuration
from tensorfleet.kafka.availability import KafkaCheck
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.mongo.checkpoint_watch import CheckpointWatch
from tensorfleet.mongo.live_generation import LiveGeneration
from tensorfleet.mongo.read_models import connect
from tensorfleet.mongo.same_log import require_same_log
from tensorfleet.process import Lifeline, run
from tensorfleet.settings import Settings, load


async def main(settings: Settings) -> None:
    lifeline, metrics, catalogue = Lifeline(), Metrics(), Catalogue()
    topics = Topics(settings.registry_id, settings.log_partitions)
    client_id = f"{topics.registry}.command-api"
    admin = configuration.admin(settings.kafka, client_id)
    identity = await asyncio.to_thread(prepare_topics, admin, topics.specs, settings.replication_factor)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lifeline.close)
        mongodb = connect(settings.mongodb_url.get_secret_value())
        stack.push_async_callback(mongodb.close)
        live = LiveGeneration(mongodb, settings.mongodb_db)
        await require_same_log(live, topics, identity)
        lifeline.spawn(live.run())
        watch = CheckpointWatch(live)
        lifeline.spawn(watch.run())
        blobs = stack.enter_context(blob_store(settings))
        producer = LoopProducer(configuration.producer(settings.kafka, client_id))
        stack.push_async_callback(producer.close)
        await blobs.ensure_bucket()
        await blobs.inventory.sign(topics.registry, identity.of(topics.log))
        commands = await stack.enter_async_context(
            command_side(settings, identity, catalogue, producer, blobs, watch, metrics, lifeline)
        )
        access = await stack.enter_async_context(access_side(settings, topics, catalogue, lifeline, client_id))
        lag = ProjectionLag(commands.bus, watch)
        lifeline.spawn(lag.run())

        async def check_storage() -> str | None:
            return None if await blobs.available() else "object storage does not answer"

        async def numbers() -> dict[str, Any]:
            commands.measure(metrics)
            return {"projection_lag_events": lag.events, "projection_lag_seconds": lag.seconds(time.monotonic())}

        checks: dict[str, Check] = {
            "kafka": KafkaCheck(admin),
            "storage": check_storage,
            "model_registry": commands.check_ownership,
        }
        health = Health("command-api", checks, numbers, settings.warnings)
        routers = [*commands.routers, access.command_routes(), health_routes(health, metrics)]
        app = make_app(
            "TensorFleet Model Registry: commands",
            metrics,
            routers,
            cors_origins=settings.cors_origins,
            hosts=settings.own_hosts,
            on_unexpected=lifeline.fail,
            guard=access.guard,
            limits=access.limits,
        )
        await serve(app, settings, lifeline, commands.leave, commands.hand_over)


if __name__ == "__main__":
    run(main, lambda: load(Settings))
