"""Creating versions over HTTP with durable acknowledgment, beside producing records of the same size to Kafka."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvloop
from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.http_client import Connection, register
from benchmarks.registry import ALL, Registry
from benchmarks.table import Row, median, milliseconds
from devstack.stack import NativeStack
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.kafka.topics import prepare_topics

ROUNDS, SECONDS, CONCURRENCIES, MODELS = 3, 2.0, (1, 16, 64), 64
GOAL = 0.4
_TAIL = -2001  # librdkafka: the last record


@dataclass(frozen=True, slots=True)
class Load:
    per_second: float
    seconds: list[float]


def measure(stack: NativeStack) -> Iterator[Row]:
    with Registry(stack, "commands", ["gateway"]) as registry:
        yield from uvloop.run(_beside_bare(stack, registry))
    with Registry(stack, "commands-all", ALL) as registry:
        busy = uvloop.run(_api_rounds(registry, 64))
    rate, latency = summary(busy)
    yield Row("create version, 64 at once, projector and publisher at work", f"{rate:,.0f}/s, {latency}")


async def _beside_bare(stack: NativeStack, registry: Registry) -> list[Row]:
    await _api_round(registry, 16, seconds=1.0)  # warm
    sample = _last_record(stack, registry.id)
    topics = Topics(f"{registry.id}-bare")
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    prepare_topics(configuration.admin(kafka, "bench"), [topics.specs[0]], 1)
    producer = LoopProducer(configuration.producer(kafka, "bench"))
    rows = []
    for concurrency in CONCURRENCIES:
        api, bare = [], []
        for _ in range(ROUNDS):
            bare.append(await _bare_round(producer, topics, sample, concurrency))
            api.append(await _api_round(registry, concurrency))
        (rate, latency), (bare_rate, bare_latency) = summary(api), summary(bare)
        share = rate / bare_rate
        limit, met = (f">= {GOAL:.0%} of bare", share >= GOAL) if concurrency == 64 else ("", None)
        measured = f"{rate:,.0f}/s, {latency} ({share:.0%})"
        beside = f"bare produce {bare_rate:,.0f}/s, {bare_latency}"
        rows.append(Row(f"create version, {concurrency} at once", measured, beside, limit, met))
    await producer.close()
    return rows


async def _api_rounds(registry: Registry, concurrency: int) -> list[Load]:
    await _api_round(registry, concurrency, seconds=1.0)  # warm
    return [await _api_round(registry, concurrency) for _ in range(ROUNDS)]


async def _api_round(registry: Registry, concurrency: int, seconds: float = SECONDS) -> Load:
    """New models for each round: with every version, the next one of the same model costs more."""
    port = registry.ports["gateway"]
    async with Connection(port) as first:
        ids = [await register(first, f"round-{uuid.uuid4()}") for _ in range(MODELS)]
    connections = [await Connection(port).__aenter__() for _ in range(concurrency)]
    body = {"metrics": {"accuracy": 0.961}, "hyperparameters": {"max_depth": 14}}

    async def create(worker: int, turn: int) -> None:
        model_id = ids[(worker + turn * concurrency) % MODELS]
        await connections[worker].command(f"/api/v1/models/{model_id}/versions", body)

    try:
        return await load(create, concurrency, seconds)
    finally:
        for one in connections:
            await one.__aexit__(None, None, None)


async def _bare_round(producer: LoopProducer, topics: Topics, sample: Message, concurrency: int) -> Load:
    async def produce(worker: int, turn: int) -> None:
        partition = (worker + turn) % topics.partitions
        await producer.append_and_wait(topics.log, partition, sample.key(), sample.value(), sample.headers())

    return await load(produce, concurrency, SECONDS)


async def load(act: Callable[[int, int], Awaitable[None]], concurrency: int, seconds: float) -> Load:
    took: list[float] = []
    began = time.perf_counter()

    async def work(worker: int) -> None:
        turn = 0
        while (start := time.perf_counter()) - began < seconds:
            await act(worker, turn)
            took.append(time.perf_counter() - start)
            turn += 1

    await asyncio.gather(*map(work, range(concurrency)))
    return Load(len(took) / (time.perf_counter() - began), took)


def summary(rounds: list[Load]) -> tuple[float, str]:
    """The median rate, and the percentiles of all rounds together."""
    return median(one.per_second for one in rounds), milliseconds([took for one in rounds for took in one.seconds])


def _last_record(stack: NativeStack, registry_id: str) -> Message:
    """A record as the registry writes it, so that the bare producer sends the same."""
    topics = Topics(registry_id)
    kafka = {"bootstrap.servers": stack.kafka_bootstrap}
    consumer = Consumer({**configuration.reader(kafka, "bench"), "enable.partition.eof": False})
    consumer.assign([TopicPartition(topics.log, 0, _TAIL)])
    try:
        found = consumer.poll(10.0)
    finally:
        consumer.close()
    assert found is not None and found.error() is None, "the registry wrote nothing"
    return found
