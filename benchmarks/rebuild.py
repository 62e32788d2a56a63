"""`tensorfleet rebuild` of a mixed log beside live traffic, and what that traffic notices of it."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvloop
from pymongo import MongoClient

from benchmarks.http_client import Connection, register
from benchmarks.mixed_log import MixedLog
from benchmarks.registry import Registry
from benchmarks.table import Row, milliseconds, percentile
from devstack.services import REPOSITORY
from devstack.stack import NativeStack
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import prepare_topics

EVENTS, GOAL, MOST_SLOWER = 200_000, 20_000, 2.0
ALONE_SECONDS, PROJECTED_SECONDS = 15.0, 300.0
READS_PER_SECOND, WRITES_PER_SECOND = 100, 10


def measure(stack: NativeStack) -> Iterator[Row]:
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    topics = Topics("bench-rebuild")
    prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
    records = MixedLog(kafka, topics, Codec(Catalogue())).write(EVENTS)
    with (
        MongoClient[dict[str, Any]](stack.mongodb_url) as client,
        Registry(stack, "rebuild", ("gateway", "projector")) as registry,
    ):
        _until_projected(client[registry.database], records)
        rate, alone, beside = uvloop.run(_beside_traffic(registry))
    slower = percentile(beside, 0.99) / percentile(alone, 0.99)
    yield Row(
        f"rebuild of {EVENTS:,} mixed events beside {READS_PER_SECOND} reads/s and {WRITES_PER_SECOND} writes/s",
        f"{rate:,.0f}/s",
        "",
        f">= {GOAL:,}/s",
        rate >= GOAL,
    )
    yield Row(
        "reads meanwhile, p50 / p99",
        milliseconds(beside),
        f"before it {milliseconds(alone)}",
        f"p99 <= {MOST_SLOWER:g}x",
        slower <= MOST_SLOWER,
    )


def _until_projected(database: Any, records: int) -> None:
    deadline = time.monotonic() + PROJECTED_SECONDS
    while sum(one["next_offset"] for one in database.checkpoints.find()) < records:
        assert time.monotonic() < deadline, "the log is not projected yet"
        time.sleep(0.1)


async def _beside_traffic(registry: Registry) -> tuple[float, list[float], list[float]]:
    """The rebuild's events a second, and how long reads took before and during it."""
    port = registry.ports["gateway"]
    async with Connection(port) as reading, Connection(port) as writing:
        written, read = [await register(writing, name, wait=True) for name in ("written", "read")]
        async with asyncio.TaskGroup() as traffic:
            took: list[float] = []
            running = [
                traffic.create_task(_read(reading, read, took)),
                traffic.create_task(_write(writing, written)),
            ]
            await asyncio.sleep(ALONE_SECONDS)
            alone = list(took)
            took.clear()
            rate = await _rebuild(registry)
            beside = list(took)
            for one in running:
                one.cancel()
    return rate, alone, beside


async def _rebuild(registry: Registry) -> float:
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tensorfleet.cli",
        "rebuild",
        cwd=REPOSITORY,
        env=registry.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await command.communicate()
    found = re.search(r"([0-9,]+)/s$", out.decode(), re.MULTILINE)
    assert command.returncode == 0 and found is not None, (out, error)
    sys.stderr.write(out.decode())
    return float(found[1].replace(",", ""))


async def _read(connection: Connection, model_id: str, took: list[float]) -> None:
    due = time.perf_counter()
    while True:
        due += 1 / READS_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        await connection.get(f"/api/v1/models/{model_id}")
        took.append(time.perf_counter() - began)


async def _write(connection: Connection, model_id: str) -> None:
    while True:
        await connection.command(f"/api/v1/models/{model_id}/versions", {"metrics": {"accuracy": 0.9}})
        await asyncio.sleep(1 / WRITES_PER_SECOND)
