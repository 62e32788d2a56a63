"""What verifying a download costs: a whole file, beside the same one without its last byte, which is not verified."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator

import uvloop

from benchmarks.http_client import Connection, register
from benchmarks.registry import Registry
from benchmarks.table import Row, median
from devstack.ports import HOST
from devstack.stack import NativeStack

ROUNDS, SIZE, GOAL = 7, 256 * 1024 * 1024, 0.8
BLOCK = 1024 * 1024


def measure(stack: NativeStack) -> Iterator[Row]:
    """Pairs, the two of each in turns first and second; the ratio is the median of those of the pairs."""
    verified: list[float] = []
    plain: list[float] = []
    with Registry(stack, "verified", ["gateway", "projector"]) as registry:
        port = registry.ports["gateway"]
        model_id = uvloop.run(_registered(port))
        _upload(port, model_id)
        _download(port, model_id, SIZE)
        for number in range(ROUNDS):
            kinds = [(verified, SIZE), (plain, SIZE - 1)]
            for rates, length in kinds if number % 2 else reversed(kinds):
                rates.append(_download(port, model_id, length))
    ratio = median(one / other for one, other in zip(verified, plain, strict=True))
    measured = f"{median(verified):,.0f} MiB/s ({ratio:.2f})"
    figure = f"verified download of {SIZE // BLOCK} MiB"
    yield Row(figure, measured, f"unverified {median(plain):,.0f} MiB/s", f">= {GOAL} of unverified", ratio >= GOAL)


async def _registered(port: int) -> str:
    async with Connection(port) as connection:
        return await register(connection, f"file-{uuid.uuid4()}", wait=True)


def _upload(port: int, model_id: str) -> None:
    head = (
        f"POST /api/v1/models/{model_id}/upload HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        f"Content-Type: application/octet-stream\r\nX-File-Name: model.bin\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(head.encode())
        for _ in range(SIZE // BLOCK):
            connection.sendall(os.urandom(BLOCK))
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 201"), answer[:500]


def _download(port: int, model_id: str, length: int) -> float:
    """The first `length` bytes of the file; MiB a second."""
    head = (
        f"GET /api/v1/models/{model_id}/download HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
        f"Range: bytes=0-{length - 1}\r\n\r\n"
    )
    seen, buffer = 0, bytearray(BLOCK)
    with socket.create_connection((HOST, port), timeout=60) as connection:
        began = time.perf_counter()
        connection.sendall(head.encode())
        while count := connection.recv_into(buffer):
            seen += count
        seconds = time.perf_counter() - began
    assert seen > length, f"only {seen} bytes came"
    return length / BLOCK / seconds
