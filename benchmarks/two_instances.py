"""Two command APIs that share the partitions, beside one: versions created by clients that spread over both."""

from __future__ import annotations

import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence

import uvloop

from benchmarks.create_version import MODELS, Load, load, summary
from benchmarks.http_client import Connection, register
from benchmarks.registry import Registry
from benchmarks.table import Row
from devstack.ports import HOST
from devstack.stack import NativeStack
from tensorfleet.events.topics import Topics

ROUNDS, SECONDS, CONCURRENCY = 5, 3.0, 64
GOAL = 1.0
ONE, TWO = ("command_api",), ("command_api.first", "command_api.second")
_SHARED_SECONDS = 60.0


def measure(stack: NativeStack) -> Iterator[Row]:
    """Both registries run all the time; in each round one after the other is asked."""
    with Registry(stack, "one-api", ONE) as alone, Registry(stack, "two-apis", TWO) as pair:
        _until_shared(pair)
        yield uvloop.run(_rounds(alone, pair))


async def _rounds(alone: Registry, pair: Registry) -> Row:
    for registry in (alone, pair):
        await _round(registry, seconds=1.0)  # warm
    one: list[Load] = []
    two: list[Load] = []
    for _ in range(ROUNDS):
        one.append(await _round(alone))
        two.append(await _round(pair))
    (rate, latency), (rate_alone, latency_alone) = summary(two), summary(one)
    share = rate / rate_alone
    return Row(
        f"create version, {CONCURRENCY} at once, two command APIs",
        f"{rate:,.0f}/s, {latency} ({share:.2f})",
        f"one {rate_alone:,.0f}/s, {latency_alone}",
        f">= {GOAL:.1f} of one",
        share >= GOAL,
    )


async def _round(registry: Registry, seconds: float = SECONDS) -> Load:
    """New models for each round, as with one instance. Connections take the instances in turn."""
    ports = list(registry.ports.values())
    async with Connection(ports[0]) as first:
        ids = [await register(first, f"round-{uuid.uuid4()}") for _ in range(MODELS)]
    connections = [await Connection(ports[n % len(ports)]).__aenter__() for n in range(CONCURRENCY)]
    body = {"metrics": {"accuracy": 0.961}, "hyperparameters": {"max_depth": 14}}

    async def create(worker: int, turn: int) -> None:
        model_id = ids[(worker + turn * CONCURRENCY) % MODELS]
        await connections[worker].command(f"/api/v1/models/{model_id}/versions", body)

    try:
        return await load(create, CONCURRENCY, seconds)
    finally:
        for one in connections:
            await one.__aexit__(None, None, None)


def _until_shared(pair: Registry) -> None:
    """Until each instance owns partitions, and together they own all."""
    wanted, deadline = Topics(pair.id).partitions, time.monotonic() + _SHARED_SECONDS
    while not _is_shared([_owned(port) for port in pair.ports.values()], wanted):
        if time.monotonic() > deadline:
            raise TimeoutError("the instances do not share the partitions")
        time.sleep(0.1)


def _is_shared(owned: Sequence[int], wanted: int) -> bool:
    return all(owned) and sum(owned) == wanted


def _owned(port: int) -> int:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(line.startswith("partition_owned{") and line.endswith(" 1.0") for line in lines)
