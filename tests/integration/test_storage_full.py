"""A MinIO without room: an upload is refused as such, leaves nothing, and succeeds once there is room again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devstack.installer import binaries, install_servers
from devstack.minio_server import MinioServer
from devstack.ports import HOST, free_ports
from devstack.processes import Lifetime
from devstack.server import ServerProcess
from tensorfleet.blobs.minio_store import MinioBlobStore
from tensorfleet.domain.errors import StorageFull
from tensorfleet.http.problems import problem_members
from tests.faults.world.disk import Disk

MIB = 1024 * 1024
ROOM = 256 * MIB


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk.mounted(tmp_path / "disk", ROOM)
    if disk is None:
        pytest.skip("mounting a tmpfs is not permitted here: it needs root")
    try:
        yield disk
    finally:
        disk.unmount()


@pytest.fixture
def store(small_disk: Disk, tmp_path: Path) -> Iterator[MinioBlobStore]:
    install_servers()
    ports = free_ports(2)
    server = MinioServer(tmp_path, small_disk.path, binaries().minio, (ports[0], ports[1]), ("tester", "tester-secret"))
    process = ServerProcess(server, tmp_path, Lifetime.KILLED_WITH_PARENT)
    process.start()
    store = MinioBlobStore.connect(f"{HOST}:{ports[0]}", "tester", "tester-secret", "full", False)
    try:
        yield store
    finally:
        store.close()
        process.kill()


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), MIB):
        yield content[start : start + MIB]


async def put_once_there_is_room(store: MinioBlobStore, content: bytes) -> None:
    """MinIO looks now and then how much room there is."""
    async with asyncio.timeout(30):
        while True:
            try:
                await store.put(chunks(content), expected_checksum=None, max_bytes=1 << 30)
                return
            except StorageFull:
                await asyncio.sleep(0.1)


def test_a_full_disk_is_told_as_such_and_leaves_nothing(store: MinioBlobStore, small_disk: Disk) -> None:
    async def scenario() -> None:
        await store.ensure_bucket()
        small, large = os.urandom(2 * MIB), os.urandom(40 * MIB)
        small_disk.fill()
        for content in (small, large):
            with pytest.raises(StorageFull) as refused:
                await store.put(chunks(content), expected_checksum=None, max_bytes=1 << 30)
            members = problem_members(refused.value)
            assert (members["status"], members["code"], members["retry_after"]) == (507, "storage-full", 60)
        assert [one async for one in store.inventory.blobs()] == []
        assert [one async for one in store.inventory.incoming()] == []
        small_disk.empty()
        for content in (small, large):
            await put_once_there_is_room(store, content)
        assert len([one async for one in store.inventory.blobs()]) == 2

    asyncio.run(scenario())
