"""Reads of the past beside the same reads of now; the audit of a long log beside that of a short one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import uvloop
from pymongo import MongoClient

from benchmarks.http_client import Connection, register
from benchmarks.mixed_log import MixedLog
from benchmarks.registry import Registry
from benchmarks.table import Row, median, milliseconds, percentile
from devstack.stack import NativeStack
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import prepare_topics

SHARES = {"register": 20, "version": 20, "update": 40, "download": 20}
SHORT, LONG, CHANGES, AT_ONCE, ROUNDS = 5_000, 100_000, 999, 100, 200
MOST_MILLISECONDS, MOST_SLOWER, PROJECTED_SECONDS = 50.0, 1.3, 300.0
AUDITS = ("?limit=50", "?limit=50&actor=anonymous", "?limit=50&type=ModelVersioned")


@dataclass
class Figures:
    """Seconds by request. `long_*` are of the model with many events."""

    taken: dict[str, list[float]]
    long_now: str
    long_then: str
    list_then: str
    figures_then: str


def measure(stack: NativeStack) -> Iterator[Row]:
    short, long = (_measured(stack, events) for events in (SHORT, LONG))
    then, now = long.taken[long.long_then], long.taken[long.long_now]
    worst = percentile(then, 0.99) * 1000
    yield Row(
        f"model with {CHANGES + 1:,} events, as of the middle one",
        milliseconds(then),
        f"now {milliseconds(now)}",
        f"p99 <= {MOST_MILLISECONDS:g} ms",
        worst <= MOST_MILLISECONDS,
    )
    for name, path, beside in (
        ("newest 20", long.list_then, "/api/v1/models"),
        ("statistics", long.figures_then, "/api/v1/statistics"),
    ):
        compared = f"now {milliseconds(long.taken[beside])}"
        yield Row(f"{name}, as of the middle of {LONG:,} events", milliseconds(long.taken[path]), compared)
    for query in AUDITS:
        path = f"/api/v1/audit{query}"
        slower = median(long.taken[path]) / median(short.taken[path])
        yield Row(
            f"audit{query} of {LONG:,} events",
            f"{milliseconds(long.taken[path])} ({slower:.2f})",
            f"of {SHORT:,} events {milliseconds(short.taken[path])}",
            f"p50 <= {MOST_SLOWER:g}x",
            slower <= MOST_SLOWER,
        )


def _measured(stack: NativeStack, events: int) -> Figures:
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    topics = Topics(f"bench-past-{events}")
    prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
    records = MixedLog(kafka, topics, Codec(Catalogue()), SHARES).write(events)
    with (
        MongoClient[dict[str, Any]](stack.mongodb_url) as client,
        Registry(stack, f"past-{events}", ("gateway", "projector")) as registry,
    ):
        database = client[registry.database]
        deadline = time.monotonic() + PROJECTED_SECONDS
        while sum(one["next_offset"] for one in database.checkpoints.find()) < records:
            assert time.monotonic() < deadline, "the log was not projected in time"
            time.sleep(0.2)
        return uvloop.run(_ask(registry, events))


async def _ask(registry: Registry, events: int) -> Figures:
    async with Connection(registry.ports["gateway"]) as connection:
        model_id = await register(connection, "a long story", wait=True)
        for first in range(0, CHANGES, AT_ONCE):
            metrics = [{"auc": one / 1000} for one in range(first, min(first + AT_ONCE, CHANGES))]
            changes = [{"op": "update", "model_id": model_id, "metrics": one} for one in metrics]
            await connection.command("/api/v1/models/batch", {"operations": changes}, wait=True)
        own = f"/api/v1/models/{model_id}"
        middle = (await _history(connection, own))[CHANGES // 2]["time"]
        oldest = (await connection.get("/api/v1/audit?limit=1&order=asc"))["events"][0]["time"]
        half = quote((datetime.fromisoformat(oldest) + timedelta(seconds=events // 2)).isoformat())
        figures = Figures(
            {}, own, f"{own}?as_of={middle}", f"/api/v1/models?as_of={half}", f"/api/v1/statistics?as_of={half}"
        )
        asked = [own, "/api/v1/models", "/api/v1/statistics", *(f"/api/v1/audit{one}" for one in AUDITS)]
        for path in (*asked, figures.long_then, figures.list_then, figures.figures_then):
            seconds = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                await connection.get(path)
                seconds.append(time.perf_counter() - began)
            figures.taken[path] = seconds[ROUNDS // 10 :]
        return figures


async def _history(connection: Connection, own: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await connection.get(f"{own}/history?limit=100{cursor and f'&cursor={cursor}'}")
        events += page["events"]
        cursor = page["pagination"]["next_cursor"]
    return events
