"""Runs the query API on its own: `python -m services.query_api`."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextlib import AsyncExitStack

import uvicorn

from services.query_api.app import query_app, query_routes
from services.query_api.download_log import KafkaDownloadLog
from services.query_api.health import query_health
from services.query_api.settings import QuerySettings
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.domain.errors import Fatal
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.health import health_routes
from tensorfleet.http.metrics import Metrics, RequestMetrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.mongo.checkpoint_watch import CheckpointWatch
from tensorfleet.mongo.read_models import ReadModels, connect
from tensorfleet.settings import load


async def main(settings: QuerySettings) -> None:
    async with AsyncExitStack() as stack:
        topics = Topics(settings.registry_id, settings.log_partitions)
        catalogue = Catalogue()
        metrics = Metrics()

        mongodb = connect(settings.mongodb_url.get_secret_value())
        stack.push_async_callback(mongodb.close)
        reads = ReadModels(mongodb, settings.mongodb_db)
        checkpoints = CheckpointWatch(mongodb, settings.mongodb_db)
        following = asyncio.create_task(checkpoints.run())
        stack.callback(following.cancel)
        blobs = MinioBlobStore.connect(
            settings.minio_endpoint,
            settings.minio_access_key.get_secret_value(),
            settings.minio_secret_key.get_secret_value(),
            settings.minio_bucket,
            settings.minio_secure,
        )
        stack.callback(blobs.close)
        producer = LoopProducer(configuration.producer(settings.kafka, f"{settings.registry_id}.query_api"))
        stack.push_async_callback(producer.close)

        routes = query_routes(
            reads=reads,
            blobs=blobs,
            downloads=KafkaDownloadLog(producer, topics, Codec(catalogue), _now),
            waiter=checkpoints,
            catalogue=catalogue,
            topics=topics,
            clock=_now,
            cursor_key=settings.cursor_key,
            max_page_size=settings.max_page_size,
            position_wait_seconds=settings.projection_wait,
            download_timeout_seconds=settings.download_timeout,
        )
        app = query_app(routes, health_routes(query_health(reads, blobs), metrics))
        config = uvicorn.Config(
            RequestMetrics(app, metrics),
            host=settings.host,
            port=settings.port,
            log_level=settings.log_level.lower(),
            access_log=False,
            server_header=False,
        )
        await uvicorn.Server(config).serve()


def _now() -> int:
    return time.time_ns() // 1_000


if __name__ == "__main__":
    try:
        asyncio.run(main(load(QuerySettings)))
    except Fatal as error:
        logging.basicConfig()
        logging.getLogger(__name__).critical(error.detail)
        sys.exit(1)
