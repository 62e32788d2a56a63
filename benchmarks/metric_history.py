"""A million points of one metric: how long their history takes to read; and what a report costs the projector."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import uvloop
from pymongo import MongoClient

from benchmarks.http_client import Connection, register
from benchmarks.mixed_log import MixedLog
from benchmarks.registry import Registry
from benchmarks.replay import replay
from benchmarks.table import Row, milliseconds
from devstack.stack import NativeStack
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.topics import prepare_topics
from tensorfleet.mongo.connection import open_store
from tensorfleet.mongo.measurements import Measured, Point
from tensorfleet.mongo.writes import Checkpoint, Writes

POINTS, READS, BATCH = 1_000_000, 10, 20_000
REPORTS, ROUNDS = 40_000, 3
_START = 1_760_000_000_000_000
_SECOND = 1_000_000


def measure(stack: NativeStack) -> Iterator[Row]:
    yield from _replays(stack)
    with Registry(stack, "history", ("gateway", "projector")) as registry:
        model_id = uvloop.run(_registered(registry))
        for order, metric in (("in the order of time", "loss"), ("in any order", "backfilled")):
            took = _write(stack, registry.database, model_id, metric, shuffled=metric == "backfilled")
            yield Row(f"writing {POINTS:,} points, reported {order}", f"{POINTS / took:,.0f}/s")
            yield from uvloop.run(_histories(registry, model_id, metric))


def _replays(stack: NativeStack) -> Iterator[Row]:
    """Reports of two metrics, beside updates of one metric of the same number of models."""
    kafka, codec, rates = {"bootstrap.servers": stack.kafka_bootstrap}, Codec(Catalogue()), {}
    logs = {}
    for kind in ("report", "update"):
        topics = Topics(f"bench-{kind}s")
        identity = prepare_topics(configuration.admin(kafka, "bench"), topics.specs, 1)
        records = MixedLog(kafka, topics, codec, {"register": 1, kind: 99}).write(REPORTS)
        logs[kind], rates[kind] = (topics, identity, records), list[float]()
    for number in range(ROUNDS):
        for kind, (topics, identity, records) in logs.items():
            seconds, _ = replay(stack, topics, identity, codec, records, f"bench_{kind}s_{number}")
            rates[kind].append(records / seconds)
    reports, updates = (sorted(rates[kind])[ROUNDS // 2] for kind in ("report", "update"))
    yield Row(
        f"replay of {REPORTS:,} reports of two metrics",
        f"{reports:,.0f}/s ({reports / updates:.0%})",
        f"as many updates {updates:,.0f}/s",
    )


async def _registered(registry: Registry) -> str:
    async with Connection(registry.ports["gateway"]) as connection:
        return await register(connection, "measured", wait=True)


async def _histories(registry: Registry, model_id: str, metric: str) -> list[Row]:
    model, tenth, thousandth = f"/api/v1/models/{model_id}", POINTS // 10, POINTS // 1_000
    series = f"{model}/metrics/history?name={metric}"
    async with Connection(registry.ports["gateway"]) as connection:
        asked = (
            ("its history", series),
            ("a tenth of the time", f"{series}&from={quote(_text(tenth))}&to={quote(_text(2 * tenth))}"),
            ("a thousandth of the time", f"{series}&from={quote(_text(tenth))}&to={quote(_text(tenth + thousandth))}"),
            ("which metrics have a history", f"{model}/metrics/history"),
        )
        beside = milliseconds(await _read(connection, model, READS))
        return [
            Row(f"{what}, p50 / p99", milliseconds(await _read(connection, path, READS)), f"the model by id {beside}")
            for what, path in asked
        ]


def _write(stack: NativeStack, database: str, model_id: str, metric: str, *, shuffled: bool) -> float:
    """Through the projector's own writer, with a checkpoint that no projector uses; returns seconds."""
    chance, spent = random.Random(2025), 0.0
    seconds = list(range(POINTS))
    if shuffled:
        chance.shuffle(seconds)
    with open_store(stack.mongodb_url, database) as store:
        checkpoint = store.checkpoint(Checkpoint("bench", 0, "cluster", "topic", 0, 0, bytes(32)))
        for start in range(0, POINTS, BATCH):
            measured = Measured()
            for sequence in range(start, start + BATCH):
                at = _START + seconds[sequence] * _SECOND
                measured.add(model_id, metric, "v1.0", Point(at, sequence, chance.random(), sequence, "training"))
            after = replace(checkpoint, next_offset=checkpoint.next_offset + BATCH)
            began = time.perf_counter()
            store.commit(Writes(measured=measured, checkpoints=[(checkpoint, after)]))
            spent, checkpoint = spent + time.perf_counter() - began, after
    with MongoClient[dict[str, Any]](stack.mongodb_url) as client:
        client[database].checkpoints.delete_one({"_id": checkpoint.id})
    return spent


async def _read(connection: Connection, path: str, times: int) -> Sequence[float]:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await connection.get(path)
        took.append(time.perf_counter() - began)
    return took


def _text(second: int) -> str:
    moment = time.gmtime(_START // _SECOND + second)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
