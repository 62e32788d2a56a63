"""Uploading and downloading a large file through the API, beside minio-py directly on the same MinIO."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import time
import uuid
from collections.abc import Iterator

import uvloop
from minio import Minio

from benchmarks.http_client import Connection, register
from benchmarks.registry import Registry
from benchmarks.table import Row, median
from devstack.ports import HOST
from devstack.stack import NativeStack

ROUNDS, SIZE, GOAL, MOST_MEMORY = 3, 1024 * 1024 * 1024, 0.8, 250 * 10**6
BLOCK = 1024 * 1024
PART = 16 * 1024 * 1024
_MEBIBYTE = 1024 * 1024


class Content(io.RawIOBase):
    """SIZE bytes that no other Content has, read like a file and made without a disk."""

    def __init__(self) -> None:
        self._left = SIZE
        self._pattern = memoryview(os.urandom(PART) * 2)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = min(self._left, PART if size < 0 else size)
        start = (SIZE - self._left) % PART
        self._left -= size
        return bytes(self._pattern[start : start + size])

    def rewind(self) -> None:
        self._left = SIZE

    def checksum(self) -> str:
        digest = hashlib.sha256()
        while block := self.read(BLOCK):
            digest.update(block)
        self.rewind()
        return digest.hexdigest()


def measure(stack: NativeStack) -> Iterator[Row]:
    minio = Minio(stack.minio_endpoint, stack.minio_access_key, stack.minio_secret_key, secure=False)
    minio.make_bucket("bench-direct")
    rates: dict[str, list[float]] = {name: [] for name in ("put", "get", "named", "unnamed", "download")}
    with Registry(stack, "files", ["gateway", "projector"]) as registry:
        port = registry.ports["gateway"]
        for _ in range(ROUNDS):
            rates["put"].append(_direct_upload(minio))
            rates["get"].append(_direct_download(minio))
            minio.remove_object("bench-direct", "file")
            for kind in ("named", "unnamed"):
                model_id = uvloop.run(_registered(port))
                content = Content()
                checksum = content.checksum()
                rates[kind].append(_upload(port, model_id, content, checksum if kind == "named" else None))
                if kind == "named":
                    rates["download"].append(_download(port, model_id))
                minio.remove_object(registry.id, f"sha256/{checksum}")
        peak = registry.memory("gateway", "VmHWM")
    size = f"{SIZE // _MEBIBYTE:,} MiB"
    yield _row(f"upload of {size} with X-File-Checksum", rates["named"], rates["put"])
    yield _row(f"upload of {size} without it", rates["unnamed"], rates["put"])
    yield _row(f"download of {size}", rates["download"], rates["get"])
    measured, limit = f"{peak / 10**6:.0f} MB", f"<= {MOST_MEMORY // 10**6} MB"
    yield Row("most memory of the gateway during these", measured, "", limit, peak <= MOST_MEMORY)


def _row(figure: str, ours: list[float], direct: list[float]) -> Row:
    share = median(ours) / median(direct)
    measured, beside = f"{median(ours):,.0f} MiB/s ({share:.2f})", f"minio-py {median(direct):,.0f} MiB/s"
    return Row(figure, measured, beside, f">= {GOAL} of minio-py", share >= GOAL)


async def _registered(port: int) -> str:
    async with Connection(port) as connection:
        return await register(connection, f"file-{uuid.uuid4()}", wait=True)


def _direct_upload(minio: Minio) -> float:
    content, began = Content(), time.perf_counter()
    minio.put_object("bench-direct", "file", content, SIZE, part_size=PART)  # type: ignore[arg-type]
    return _rate(began)


def _direct_download(minio: Minio) -> float:
    began, seen = time.perf_counter(), 0
    response = minio.get_object("bench-direct", "file")
    for block in response.stream(BLOCK):
        seen += len(block)
    response.release_conn()
    assert seen == SIZE
    return _rate(began)


def _upload(port: int, model_id: str, content: Content, checksum: str | None) -> float:
    announced = f"X-File-Checksum: sha256:{checksum}\r\n" if checksum else ""
    head = (
        f"POST /api/v1/models/{model_id}/upload HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{announced}"
        f"Content-Type: application/octet-stream\r\nX-File-Name: model.bin\r\nContent-Length: {SIZE}\r\n\r\n"
    )
    with socket.create_connection((HOST, port), timeout=60) as connection:
        began = time.perf_counter()
        connection.sendall(head.encode())
        with contextlib.suppress(ConnectionError):  # then the answer, if there is one, says why
            while block := content.read(BLOCK):
                connection.sendall(block)
        answer = connection.recv(65536)
        rate = _rate(began)
    assert answer.startswith(b"HTTP/1.1 201"), answer[:500]
    return rate


def _download(port: int, model_id: str) -> float:
    head = f"GET /api/v1/models/{model_id}/download HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    seen, buffer = 0, bytearray(BLOCK)
    with socket.create_connection((HOST, port), timeout=60) as connection:
        began = time.perf_counter()
        connection.sendall(head.encode())
        while count := connection.recv_into(buffer):
            if seen == 0:
                assert buffer.startswith(b"HTTP/1.1 200"), bytes(buffer[:500])
            seen += count
        rate = _rate(began)
    assert seen > SIZE, f"only {seen} bytes came"
    return rate


def _rate(began: float) -> float:
    return SIZE / _MEBIBYTE / (time.perf_counter() - began)
