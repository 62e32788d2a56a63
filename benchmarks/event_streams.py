"""From a command's acknowledgment until 500 streams have its event, beside a plain Kafka consumer of the feed."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
import uuid
from collections.abc import Iterator, Sequence, Set

import uvloop
from confluent_kafka import Consumer, TopicPartition

from benchmarks.http_client import Connection, register
from benchmarks.registry import ALL, Registry
from benchmarks.table import Row, milliseconds, percentile
from devstack.ports import HOST
from devstack.stack import NativeStack
from tensorfleet.domain.names import partition_of
from tensorfleet.events.topics import Topics
from tensorfleet.kafka import configuration

CLIENTS, COMMANDS, WARM, MOST_SECONDS, P99 = 500, 200, 20, 20.0, 0.100
_SEQUENCE = re.compile(rb'"sequence":([0-9]+)')


def measure(stack: NativeStack) -> Iterator[Row]:
    with Registry(stack, "streams", ALL) as registry:
        streamed, consumed = uvloop.run(_run(stack, registry))
        memory = registry.memory("gateway", "VmRSS") / 2**20
    p99 = percentile(streamed, 0.99)
    yield Row(
        f"acknowledged -> event at {CLIENTS} streams, p50 / p99 of {len(streamed):,}",
        milliseconds(streamed),
        f"plain Kafka consumer {milliseconds(consumed)}; gateway {memory:.0f} MiB",
        f"p99 <= {P99 * 1000:.0f} ms",
        p99 <= P99,
    )


class _Stream(asyncio.Protocol):
    """Notes when each event came; an answer's chunks are small enough to come in one piece."""

    def __init__(self, path: str) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
        self.came: dict[int, float] = {}
        self.open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if b"retry:" in data and not self.open.done():
            self.open.set_result(None)
        for one in _SEQUENCE.findall(data):
            self.came[int(one)] = now


async def _run(stack: NativeStack, registry: Registry) -> tuple[list[float], list[float]]:
    port, loop = registry.ports["gateway"], asyncio.get_running_loop()
    async with Connection(port) as connection:
        model_id = await register(connection, f"streamed-{uuid.uuid4()}")
        path = f"/api/v1/events/stream?model_id={model_id}"
        opened = [await loop.create_connection(lambda: _Stream(path), HOST, port) for _ in range(CLIENTS)]
        streams = [one for _, one in opened]
        await asyncio.gather(*(one.open for one in streams))
        consumer = _PlainConsumer(stack, registry, model_id)
        acknowledged = {}
        for sequence in range(2, WARM + COMMANDS + 2):
            await connection.command(f"/api/v1/models/{model_id}/versions", {"metrics": {"accuracy": 0.9}})
            if sequence > WARM + 1:
                acknowledged[sequence] = time.perf_counter()
            elif sequence == WARM + 1:  # the publisher's first transaction takes seconds on a fresh Kafka
                await _until_all_have({sequence}, [*streams, consumer])
            await asyncio.sleep(random.uniform(0.03, 0.07))
        await _until_all_have(acknowledged.keys(), [*streams, consumer])
        await asyncio.to_thread(consumer.stop)
        for transport, _ in opened:
            transport.close()
    waits = [one.came[sequence] - since for one in streams for sequence, since in acknowledged.items()]
    return waits, [consumer.came[sequence] - since for sequence, since in acknowledged.items()]


async def _until_all_have(sequences: Set[int], receivers: Sequence[_Stream | _PlainConsumer]) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not all(sequences <= one.came.keys() for one in receivers):
        if time.monotonic() > deadline:
            raise TimeoutError("not every stream has every event")
        await asyncio.sleep(0.05)


class _PlainConsumer:
    """In a thread of its own; knows the order of the one model's events, and so their sequences."""

    def __init__(self, stack: NativeStack, registry: Registry, model_id: str) -> None:
        topics = Topics(registry.id)
        self._consumer = Consumer(configuration.reader({"bootstrap.servers": stack.kafka_bootstrap}, "bench"))
        place = TopicPartition(topics.feed, partition_of(model_id, topics.partitions), 0)
        self._consumer.assign([place])
        self.came: dict[int, float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.2)
            if message is not None and message.error() is None:
                self.came[len(self.came) + 1] = time.perf_counter()
