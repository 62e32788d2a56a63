"""What 1,000 slow clients do to a good one: a model read by id, again and again, with them there and without.

They send heads and bodies by the byte, or nothing, or do not read what they asked for, from ten addresses, and come
back as soon as they are ended. They run in a process of their own. Quiet phases and phases with them follow in turns.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from typing import Final

import uvloop

from benchmarks.http_client import Connection, register
from benchmarks.registry import Registry
from benchmarks.table import Row, milliseconds, percentile
from devstack.ports import HOST
from devstack.stack import NativeStack

CLIENTS: Final = 1000
ROUNDS: Final = 3
PHASE_SECONDS: Final = 14.0
MOST_RATIO: Final = 2.0
MOST_SECONDS: Final = 15.0
_DRIP_SECONDS: Final = 1.0
_READY_SECONDS: Final = 60.0
_SOURCES: Final = [f"127.0.0.{number}" for number in range(2, 12)]
_HEAD: Final = f"GET /api/v1/models HTTP/1.1\r\nHost: {HOST}\r\n"
_BODY: Final = f"POST /api/v1/models HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
_KINDS: Final = {
    "head": f"{_HEAD}X-Long: ",
    "body": f"{_BODY}Content-Length: 100000\r\n\r\n" + '{"name": "',
    "nothing": "",
    "answer": f"{_HEAD}\r\n",
}
"""What each kind begins with; the first two go on by the byte, the last never reads and never goes."""


def measure(stack: NativeStack) -> Iterator[Row]:
    with Registry(stack, "slow-clients") as registry:
        quiet, beside, longest = uvloop.run(_measured(registry.ports["gateway"]))
    ratio = percentile(beside, 0.99) / percentile(quiet, 0.99)
    shown, limit = f"{milliseconds(beside)} ({ratio:.2f}x)", f"p99 <= {MOST_RATIO:g}x"
    figure = f"model by id beside {CLIENTS:,} slow clients, p50 / p99"
    yield Row(figure, shown, f"without them {milliseconds(quiet)}", limit, ratio <= MOST_RATIO)
    limit = f"<= {MOST_SECONDS:g} s"
    yield Row("longest that one of them, who drips, was borne with", f"{longest:.1f} s", "", limit, 0 < longest <= 15)


async def _measured(port: int) -> tuple[list[float], list[float], float]:
    """Seconds of each request without and with them, and of the longest of their connections."""
    quiet: list[float] = []
    beside: list[float] = []
    longest = 0.0
    async with Connection(port) as connection:
        path = f"/api/v1/models/{await register(connection, 'measured', wait=True)}"
        await _phase(port, path, PHASE_SECONDS / 4)  # warms up
        for _ in range(ROUNDS):
            quiet += await _phase(port, path, PHASE_SECONDS)
            with _SlowClients(port) as slow:
                beside += await _phase(port, path, PHASE_SECONDS)
                longest = max(longest, slow.longest())
    return quiet, beside, longest


async def _phase(port: int, path: str, seconds: float) -> list[float]:
    took = []
    end = time.perf_counter() + seconds
    async with Connection(port) as connection:
        while (began := time.perf_counter()) < end:
            await connection.get(path)
            took.append(time.perf_counter() - began)
            await asyncio.sleep(0.002)  # else the one who measures is the load
    return took


class _SlowClients:
    """Inside the context all of them are there."""

    def __init__(self, port: int) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_run, args=(port, theirs), daemon=True)

    def __enter__(self) -> _SlowClients:
        self._process.start()
        if not self._pipe.poll(_READY_SECONDS):
            raise TimeoutError(f"{CLIENTS} slow clients did not connect within {_READY_SECONDS:g} s")
        self._pipe.recv()
        return self

    def longest(self) -> float:
        self._pipe.send("longest")
        return float(self._pipe.recv())

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _run(port: int, pipe: Pipe) -> None:
    uvloop.run(_attack(port, pipe))


async def _attack(port: int, pipe: Pipe) -> None:
    connected = asyncio.Semaphore(0)
    lives: list[float] = []
    kinds = list(_KINDS)
    tasks = [
        asyncio.create_task(_slow(port, kinds[number % len(kinds)], number, connected, lives))
        for number in range(CLIENTS)
    ]
    for _ in tasks:
        await connected.acquire()
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    pipe.send(max(lives, default=0.0))
    await asyncio.gather(*tasks)


async def _slow(port: int, kind: str, number: int, connected: asyncio.Semaphore, lives: list[float]) -> None:
    while True:
        with suppress(OSError):
            await _one_connection(port, kind, number, connected, lives)


async def _one_connection(port: int, kind: str, number: int, connected: asyncio.Semaphore, lives: list[float]) -> None:
    with socket.socket() as made:
        if kind == "answer":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.setblocking(False)
        made.bind((_SOURCES[number % len(_SOURCES)], 0))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await loop.sock_connect(made, (HOST, port))
        connected.release()
        await loop.sock_sendall(made, _KINDS[kind].encode())
        await asyncio.sleep(random.uniform(0, _DRIP_SECONDS))
        if kind == "answer":
            await asyncio.Event().wait()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_DRIP_SECONDS):
                    await loop.sock_recv(made, 65536)  # an answer, or the end: it is over
                    lives.append(loop.time() - began)
                    return
            if kind != "nothing":
                await loop.sock_sendall(made, b"x")
