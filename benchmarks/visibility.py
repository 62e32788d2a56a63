"""From a command's acknowledgment until MongoDB shows its effect, beside a bare insert with majority."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Iterator
from typing import Any

import uvloop
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection

from benchmarks.http_client import Connection, register
from benchmarks.registry import ALL, Registry
from benchmarks.table import Row, median, milliseconds, percentile
from devstack.stack import NativeStack

ROUNDS, COMMANDS, MOST_SECONDS = 3, 200, 5.0
P50, P99 = 0.010, 0.030
Documents = Collection[dict[str, Any]]


def measure(stack: NativeStack) -> Iterator[Row]:
    client: MongoClient[dict[str, Any]] = MongoClient(stack.mongodb_url)
    with client, Registry(stack, "visibility", ALL) as registry:
        models = client[registry.database]["models"]
        plain = client["bench_plain"].get_collection("plain", write_concern=WriteConcern("majority"))
        uvloop.run(_round(registry, models, commands=30))  # warm
        rounds, inserts = [], []
        for _ in range(ROUNDS):
            rounds.append(uvloop.run(_round(registry, models, COMMANDS)))
            inserts += [_insert(plain) for _ in range(COMMANDS)]
    p50 = median(percentile(one, 0.50) for one in rounds)
    p99 = median(percentile(one, 0.99) for one in rounds)
    yield Row(
        "acknowledged -> visible in MongoDB, p50 / p99",
        f"{p50 * 1000:.1f} / {p99 * 1000:.1f} ms",
        f"bare majority insert {milliseconds(inserts)}",
        f"<= {P50 * 1000:.0f} / {P99 * 1000:.0f} ms",
        p50 <= P50 and p99 <= P99,
    )


async def _round(registry: Registry, models: Documents, commands: int) -> list[float]:
    took = []
    async with Connection(registry.ports["gateway"]) as connection:
        model_id = await register(connection, f"seen-{uuid.uuid4()}", wait=True)
        for sequence in range(2, commands + 2):
            await connection.command(f"/api/v1/models/{model_id}/versions", {"metrics": {"accuracy": 0.9}})
            took.append(_seconds_until(models, model_id, sequence))
            await asyncio.sleep(random.uniform(0.005, 0.02))
    return took


def _seconds_until(models: Documents, model_id: str, sequence: int) -> float:
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < MOST_SECONDS:
        found = models.find_one({"_id": model_id}, {"sequence": 1})
        if found is not None and found["sequence"] >= sequence:
            return time.perf_counter() - began
    raise TimeoutError(f"sequence {sequence} is not in MongoDB after {waited:.0f} s")


def _insert(plain: Documents) -> float:
    began = time.perf_counter()
    plain.insert_one({"text": "x" * 500})
    return time.perf_counter() - began
