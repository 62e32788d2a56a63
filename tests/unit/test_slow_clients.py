"""What one client may keep the server waiting for, and how much of it there may be: on real sockets."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop

from tensorfleet.http import json as body_reading
from tensorfleet.http.serving import bounded_protocol, connections
from tensorfleet.http.serving.server import room_for
from tests.unit.bounded_server import Client, Server, running

GET = "GET /api/v1/models HTTP/1.1\nHost: a\n"
POST = "POST /api/v1/models HTTP/1.1\nHost: a\n"
DRIP = 0.02


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become tenths."""
    for name in ("HEAD_SECONDS", "REST_SECONDS", "TAKE_SECONDS", "LINGER_SECONDS"):
        monkeypatch.setattr(bounded_protocol, name, 0.3)
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(body_reading, "PATIENCE_SECONDS", 0.3)


def in_loop(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test

    uvloop.run(bounded())


async def one_who_is_silent(client: Client) -> str:
    answer = await client.answer()
    return "closed" if answer is None else answer.code


async def one_who_drips(client: Client, sent: str, dripped: str) -> str:
    client.send(sent)
    dripping = asyncio.create_task(client.drip(dripped, DRIP))
    answer = await client.answer()
    if answer is not None and answer.status == 200:
        answer = await client.answer()
    await client.ended()
    dripping.cancel()
    return "closed" if answer is None else answer.code


async def one_who_does_not_read(client: Client) -> str:
    """Its own buffer is full soon, for it reads nothing."""
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    client.send(GET.replace("/api/v1/models", "/metrics") + "\n")
    await asyncio.sleep(1.0)  # longer than it may; what comes before the end is in buffers
    client.writer.transport.resume_reading()  # type: ignore[attr-defined]
    head = await client.reader.readuntil(b"\r\n\r\n")
    assert b"200" in head
    try:
        taken = 0
        while chunk := await client.reader.read(1_000_000):
            taken += len(chunk)
    except ConnectionError:
        return "closed"
    return "closed" if taken < 20_000_000 else "served"


def test_whoever_keeps_the_server_waiting_is_given_up_and_others_are_served(quick: None) -> None:
    long = "x" * 1000

    async def test() -> None:
        async with running() as server:
            kinds = {
                "nothing": one_who_is_silent(await server.client()),
                "a head that drips": one_who_drips(await server.client(), GET, "X-Long: " + long),
                "empty lines": one_who_drips(await server.client(), "", "\n" * 1000),
                "the head of a second request": one_who_drips(await server.client(), GET + "\n", GET + long),
                "a body that stops": one_who_drips(await server.client(), POST + "Content-Length: 9\n\nbody", ""),
                "a body that drips": one_who_drips(await server.client(), POST + "Content-Length: 999\n\n", long),
                "chunks that drip": one_who_drips(
                    await server.client(), POST + "Transfer-Encoding: chunked\n\n", "1\nx\n" * 500
                ),
                "a body that nobody wants": one_who_drips(await server.client(), GET + "Content-Length: 999\n\n", long),
                "an answer that is not taken": one_who_does_not_read(await server.client()),
            }
            outcomes = dict(zip(kinds, await asyncio.gather(*kinds.values()), strict=True))
            assert outcomes == {
                "nothing": "closed",
                "a head that drips": "too-slow",
                "empty lines": "too-slow",
                "the head of a second request": "too-slow",
                "a body that stops": "too-slow",
                "a body that drips": "too-slow",
                "chunks that drip": "too-slow",
                "a body that nobody wants": "closed",
                "an answer that is not taken": "closed",
            }
            answer = await server.ask(GET + "\n")
            assert answer is not None and answer.status == 200

    in_loop(test())


def test_a_sender_that_is_not_fast_but_goes_on_is_served(quick: None) -> None:
    """A body that takes longer than the patience, at more than the least rate."""

    async def test() -> None:
        async with running() as server:
            client = await server.client()
            client.send(POST + "Content-Length: 4000\n\n")
            for _ in range(40):
                client.send("x" * 100)
                await asyncio.sleep(0.02)
            answer = await client.answer()
            assert answer is not None and answer.body == b'{"bytes":4000}'

    in_loop(test())


CHUNKED = POST + "Transfer-Encoding: chunked\n\n"
MANY = "".join(f"H{number}: v\n" for number in range(101))
HEADS = {
    "a long path": ("GET /" + "a" * 70_000 + " HTTP/1.1\nHost: a\n\n", 431, "headers-too-large"),
    "a long header": (GET + "X: " + "a" * 70_000 + "\n\n", 431, "headers-too-large"),
    "a long name": (GET + "a" * 70_000 + ": x\n\n", 431, "headers-too-large"),
    "many headers": (GET + MANY + "\n", 431, "headers-too-large"),
    "a header without an end": (GET + "X: " + "a" * 400_000, 431, "headers-too-large"),
    "many trailers": (CHUNKED + "0\n" + MANY * 700, None, None),
    "a trailer without an end": (CHUNKED + "0\nX: " + "a" * 400_000, None, None),
    "no HTTP": ("hello\n\n", 400, "malformed"),
    "two lengths": (POST + "Content-Length: 1\nContent-Length: 2\n\n", 400, "malformed"),
    "length and chunks": (POST + "Content-Length: 1\nTransfer-Encoding: chunked\n\n", 400, "malformed"),
    "as much as there may be": (GET + MANY.partition("H98")[0] + "X: " + "a" * 60_000 + "\n\n", 200, None),
}


def test_heads_are_bounded_and_what_is_no_request_is_a_problem() -> None:
    async def outcome(server: Server, request: str) -> tuple[int | None, str | None]:
        answer = await server.ask(request)
        if answer is None:
            return None, None
        return answer.status, answer.code if answer.status >= 400 else None

    async def test() -> None:
        async with running() as server:
            for name, (request, status, code) in HEADS.items():
                assert (name, *await outcome(server, request)) == (name, status, code)

    in_loop(test())


def test_connections_of_one_address_and_of_all_are_counted(quick: None) -> None:
    async def test() -> None:
        given = {"max_connections": 5, "max_connections_per_address": 3, "trusted_proxies": "127.0.0.9"}
        async with running(**given) as server:
            first = [await server.client("127.0.0.2") for _ in range(3)]
            refused = await server.ask(GET + "\n", "127.0.0.2")
            assert refused is not None and (refused.status, refused.code) == (429, "too-many-requests")
            assert refused.headers["retry-after"] == "5" and refused.headers["connection"] == "close"
            first[0].send(GET + "\n")
            served = await first[0].answer()
            assert served is not None and served.status == 200
            for one in first:
                one.writer.transport.abort()
            while (again := await server.ask(GET + "\n", "127.0.0.2")) is None or again.status != 200:
                await asyncio.sleep(0.02)
            proxied = [await server.client("127.0.0.9") for _ in range(5)]
            for one in proxied[:4]:
                one.send(GET + "\n")
                answer = await one.answer()
                assert answer is not None and answer.status == 200
            full = await server.ask(GET + "\n", "127.0.0.3")
            assert full is not None and (full.status, full.code) == (503, "too-busy")
            assert full.headers["retry-after"] == "2"

    in_loop(test())


def test_x_forwarded_for_counts_from_trusted_proxies_alone() -> None:
    async def address(server: Server, source: str, forwarded: str) -> str:
        answer = await server.ask(f"{GET}X-Forwarded-For: {forwarded}\n\n", source)
        assert answer is not None
        return answer.body.decode().split('"')[3]

    async def test() -> None:
        async with running(trusted_proxies="127.0.0.9, 10.0.0.0/8, 2001:db8::/32") as server:
            assert await address(server, "127.0.0.1", "8.8.8.8") == "127.0.0.1"
            for forwarded, found in {
                "8.8.8.8": "8.8.8.8",
                "1.1.1.1, 8.8.8.8": "8.8.8.8",
                "1.1.1.1, 8.8.8.8\nX-Forwarded-For: 10.1.1.1": "8.8.8.8",
                "8.8.8.8:4711, 10.1.1.1": "8.8.8.8",
                "[2606::1]:4711, 2001:db8::5": "2606::1",
                "::ffff:8.8.8.8": "8.8.8.8",
                "10.1.1.1": "10.1.1.1",
                "8.8.8.8, unknown": "127.0.0.9",
                "8.8.8.8, unknown, 10.1.1.1": "10.1.1.1",
                "8.8.8.8" + ", 10.1.1.1" * 30: "10.1.1.1",
                "": "127.0.0.9",
            }.items():
                assert await address(server, "127.0.0.9", forwarded) == found, forwarded

    in_loop(test())


@pytest.mark.parametrize(
    ("soft", "hard", "raised_to", "most"),
    [(1024, 20_000, 4608, 4096), (20_000, 20_000, None, 4096), (256, 2048, 2048, 1536), (1024, -1, 4608, 4096)],
)
def test_the_process_makes_room_for_its_connections_or_takes_fewer(
    soft: int, hard: int, raised_to: int | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-1 is a limit that there is not."""
    set_to: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits[0]))
    assert room_for(4096) == most
    assert set_to == ([] if raised_to is None else [raised_to])
