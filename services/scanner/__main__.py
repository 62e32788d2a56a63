"""The scanner process: settings, adapters, a worker on the feed, health on PORT, run."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from services.scanner.judging import Judge
from services.scanner.registry import Registry
from services.scanner.scanning import Scanning
from services.scanner.settings import ScannerSettings
from tensorfleet.blobs.connection import blob_store
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.http.health_app import serve_health
from tensorfleet.http.metrics import Metrics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.availability import KafkaCheck
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.kafka.worker import Worker
from tensorfleet.process import Lifeline, run
from tensorfleet.scanning.verdict import RULES
from tensorfleet.settings import load


async def main(settings: ScannerSettings) -> None:
    lifeline, metrics = Lifeline(), Metrics()
    topics = Topics(settings.registry_id, settings.log_partitions)
    client_id = f"{topics.registry}.scanner"
    admin = configuration.admin(settings.kafka, client_id)
    await asyncio.to_thread(prepare_topics, admin, topics.specs, settings.replication_factor)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lifeline.close)
        blobs = stack.enter_context(blob_store(settings))
        registry = Registry(
            settings.registry_url,
            settings.minio_secret_key.get_secret_value(),
            settings.api_key,
            settings.trusted_context(),
        )
        stack.push_async_callback(registry.close)
        scanning = Scanning(Codec(Catalogue()), Judge(blobs, settings.limits), registry, metrics)
        loop = asyncio.get_running_loop()

        def failed(error: BaseException) -> None:
            loop.call_soon_threadsafe(lifeline.fail, error)

        worker = Worker(
            configuration.worker(settings.kafka, client_id, group_of(topics), settings.own_name),
            topics.feed,
            scanning.work,
            failed,
        )
        stack.push_async_callback(asyncio.to_thread, worker.stop)
        worker.start()

        async def assigned() -> str | None:
            return None if worker.assigned else "no partitions are assigned yet"

        await serve_health(
            "scanner",
            settings,
            topics,
            {"kafka": KafkaCheck(admin), "assignment": assigned, "scanning": scanning.check},
            metrics,
            lifeline,
        )


def group_of(topics: Topics) -> str:
    """One for each version of the rules: new rules begin at the first file again."""
    return topics.group(f"scanner.{RULES.replace(' ', '-')}")


if __name__ == "__main__":
    run(main, lambda: load(ScannerSettings))
