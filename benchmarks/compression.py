"""What compressing a page of 100 models costs and saves, on kept connections, and that small answers pay nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import uvloop

from benchmarks.http_client import Connection, register
from benchmarks.registry import ALL, Registry
from benchmarks.table import Row, median
from devstack.ports import HOST
from devstack.stack import NativeStack

MODELS, ROUNDS, REQUESTS = 100, 5, 200


def measure(stack: NativeStack) -> Iterator[Row]:
    with Registry(stack, "compression", ALL) as registry:
        yield from uvloop.run(_rows(registry.ports["gateway"]))


async def _rows(port: int) -> list[Row]:
    async with Connection(port) as connection:
        ids = [await register(connection, f"model-{number}", wait=True) for number in range(MODELS)]
    rows = []
    for name, path in (("page of 100 models", "/api/v1/models?limit=100"), ("one model", f"/api/v1/models/{ids[0]}")):
        plain, packed = [], []
        for _ in range(ROUNDS):
            plain.append(await _seconds(port, path, "identity"))
            packed.append(await _seconds(port, path, "gzip"))
        (seconds, size), (packed_seconds, packed_size) = map(_middle, (plain, packed))
        measured = f"{packed_seconds * 1000:.2f} ms, {packed_size:,} bytes"
        ratio = f"{packed_seconds / seconds:.2f}x the time, {packed_size / size:.2f}x the bytes"
        rows.append(
            Row(
                f"{name}, a client that takes gzip",
                f"{measured} ({ratio})",
                f"plain {seconds * 1000:.2f} ms, {size:,} bytes",
            )
        )
    return rows


def _middle(rounds: list[tuple[float, int]]) -> tuple[float, int]:
    return median(seconds for seconds, _ in rounds), rounds[0][1]


async def _seconds(port: int, path: str, encoding: str) -> tuple[float, int]:
    """Of one request, one after the other on one connection; and the bytes of its body."""
    reader, writer = await asyncio.open_connection(HOST, port)
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {encoding}\r\n\r\n".encode()
    length = 0
    began = time.perf_counter()
    for _ in range(REQUESTS):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
    took = time.perf_counter() - began
    writer.close()
    return took / REQUESTS, length
