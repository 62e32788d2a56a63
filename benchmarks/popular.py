"""Reads about downloads in a registry of 100,000 downloaded models, beside one of 1,000; both made by the projector."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import uvloop
from pymongo import MongoClient

from benchmarks.http_client import Connection
from benchmarks.mixed_log import MixedLog
from benchmarks.registry import Registry
from benchmarks.table import Row, percentile
from devstack.stack import NativeStack
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import prepare_topics

SMALL, LARGE = 1_000, 100_000
DOWNLOADS_EACH, REQUESTS, WARM_UP = 3, 60, 10
MOST_MILLISECONDS, MOST_SLOWER, PROJECTED_SECONDS = 100.0, 2.0, 400.0
MODELS = "/api/v1/models"
PATHS = {
    **{f"popular, window {window}": f"{MODELS}/popular?window={window}" for window in ("24h", "7d", "30d", "all")},
    "most downloaded first": f"{MODELS}?sort=download_count",
    "least downloaded first": f"{MODELS}?sort=download_count&order=asc",
    "most downloaded of a tag that all have": f"{MODELS}?sort=download_count&tags=fraud",
    "recent": f"{MODELS}/recent",
    "statistics, first shape": f"{MODELS}/statistics",
    "statistics, second shape": "/api/v1/statistics",
}


def measure(stack: NativeStack) -> Iterator[Row]:
    small, large = _times(stack, SMALL), _times(stack, LARGE)
    for name in PATHS:
        ratio = large[name] / small[name]
        yield Row(
            f"{name}, {LARGE:,} models, p50",
            f"{large[name] * 1000:.1f} ms ({ratio:.2f}x)",
            f"{SMALL:,} models {small[name] * 1000:.1f} ms",
            f"<= {MOST_MILLISECONDS:g} ms, {MOST_SLOWER:g}x",
            large[name] * 1000 <= MOST_MILLISECONDS and ratio <= MOST_SLOWER,
        )


def _times(stack: NativeStack, models: int) -> dict[str, float]:
    """Seconds of one request at a time, by name; the downloads lie in the days before now."""
    name = f"popular-{models}"
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    topics = Topics(f"bench-{name}")
    prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
    shares = {"register": 1, "download": DOWNLOADS_EACH}
    events = models * sum(shares.values())
    seconds_each = max(1, 5 * 86_400 // events)
    log = MixedLog(kafka, topics, Codec(Catalogue()), shares, time.time_ns() // 1000 - events * seconds_each * 10**6)
    records = log.write(events, seconds_each)
    with (
        MongoClient[dict[str, Any]](stack.mongodb_url) as client,
        Registry(stack, name, ("gateway", "projector")) as registry,
    ):
        deadline = time.monotonic() + PROJECTED_SECONDS
        while sum(one["next_offset"] for one in client[registry.database].checkpoints.find()) < records:
            assert time.monotonic() < deadline, "the log is not projected yet"
            time.sleep(0.5)
        _await_upkeep(client[registry.database])
        return uvloop.run(_ask(registry.ports["gateway"]))


def _await_upkeep(database: Any) -> None:
    """As in a registry that has been running: its sums are made exact again as fast as they become stale."""
    deadline, hour = time.monotonic() + PROJECTED_SECONDS, time.time() // 3600
    while database.download_windows.count_documents({"exact_until": {"$lte": hour}}, limit=1):
        assert time.monotonic() < deadline, "the sums of the windows are not exact yet"
        time.sleep(0.5)


async def _ask(port: int) -> dict[str, float]:
    found = {}
    async with Connection(port) as connection:
        for name, path in PATHS.items():
            took = []
            for _ in range(WARM_UP + REQUESTS):
                began = time.perf_counter()
                await connection.get(path)
                took.append(time.perf_counter() - began)
            found[name] = percentile(took[WARM_UP:], 0.5)
    return found
