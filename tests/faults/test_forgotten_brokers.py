"""The last broker says, as it stops, that the cluster has no brokers: librdkafka's clients may forget it for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from devstack.installer import binaries, install_servers
from devstack.kafka_server import KafkaNode, KafkaServer, random_uuid
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime
from devstack.server import ServerProcess
from tensorfleet.domain.errors import LogUnavailable
from tensorfleet.kafka import configuration
from tensorfleet.kafka.follower import Burst, Follower
from tensorfleet.kafka.producer import LoopProducer
from tensorfleet.kafka.records import Record
from tests.integration.kafka_world import KafkaWorld

pytestmark = pytest.mark.timeout(180)
CLIENTS = 8
"""Of each kind. Each is lucky more often than not."""
PATIENCE_SECONDS = 60.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[str, ServerProcess]]:
    """Alone, and it hands over nevertheless: its address, and its process."""
    install_servers()
    port, controller = free_ports(2)
    node = KafkaNode(1, random_uuid(), {1: controller}, hands_over=True)
    server = KafkaServer(tmp_path / "kafka", binaries().kafka_lib, port, controller, node, brief=True)
    process = ServerProcess(server, tmp_path, Lifetime.KILLED_WITH_PARENT)
    process.start()
    yield f"{HOST}:{port}", process
    process.kill()


async def append(producer: LoopProducer, topic: str) -> int:
    """Until it is acknowledged: the record's offset."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with asyncio.timeout(2):
                    return await producer.append_and_wait(topic, 0, b"key", b"value", [])
            except (LogUnavailable, TimeoutError):
                await asyncio.sleep(0.1)


async def restart(process: ServerProcess, producers: list[LoopProducer], topic: str) -> None:
    """Stop and start the broker while the producers have more and more to send: their clients ask it most then."""
    stopping = asyncio.create_task(asyncio.to_thread(process.stop))
    while not stopping.done():
        for one in producers:
            with suppress(LogUnavailable):
                one.append(topic, 0, b"key", b"value", [], lambda error, offset: None)
        await asyncio.sleep(0.01)
    await stopping
    await asyncio.to_thread(process.start)


class Reader:
    """What one follower has read, which has to come in the order of the offsets, without a gap."""

    def __init__(self, world: KafkaWorld) -> None:
        self.next_offset = 0
        self.failure: BaseException | None = None
        self._changed = asyncio.Event()
        self.follower = Follower(
            configuration.reader(world.kafka, "reader"), world.admin, world.topics.log, {0: 0}, self._take, self._fail
        )

    async def until(self, offset: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.next_offset <= offset:
                assert self.failure is None, self.failure
                self._changed.clear()
                await self._changed.wait()

    def _take(self, burst: Burst) -> None:
        for one in burst:
            if isinstance(one, Record):
                assert one.offset == self.next_offset
                self.next_offset += 1
        self._changed.set()

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self._changed.set()


def test_every_client_finds_the_broker_that_was_away(broker: tuple[str, ServerProcess]) -> None:
    address, process = broker
    asyncio.run(restart_below_clients(KafkaWorld(address), process))


async def restart_below_clients(world: KafkaWorld, process: ServerProcess) -> None:
    producers = [LoopProducer(configuration.producer(world.kafka, f"producer-{n}")) for n in range(CLIENTS)]
    readers = [Reader(world) for _ in range(CLIENTS)]
    try:
        for reader in readers:
            reader.follower.start()
        first = max([await append(one, world.topics.log) for one in producers])
        await asyncio.gather(*(reader.until(first) for reader in readers))
        await restart(process, producers, world.topics.log)
        last = max(await asyncio.gather(*(append(one, world.topics.log) for one in producers)))
        await asyncio.gather(*(reader.until(last) for reader in readers))
    finally:
        await asyncio.gather(*(reader.follower.stop() for reader in readers))
        await asyncio.gather(*(producer.close() for producer in producers))
