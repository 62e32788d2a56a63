"""Clients that have not agreed on TLS yet count like all others, and have so long for it."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path
from typing import Any

import pytest

from tensorfleet.domain.errors import SettingsInvalid
from tensorfleet.http.serving import tls_listener
from tensorfleet.http.serving.listening import listening_sockets
from tests.certificates import Certificates
from tests.unit.bounded_server import Client, Server, running
from tests.unit.test_slow_clients import GET, in_loop

HELLO = bytes.fromhex("16030102000100")
"""The beginning of one: a record of 512 bytes, of which the first two are there."""


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


async def status(server: Server, source: str = "127.0.0.1") -> int | None:
    """None if the connection ends before there is an answer."""
    try:
        answer = await server.ask(f"{GET}\n", source)
    except ConnectionError:
        return None
    return None if answer is None else answer.status


async def served(client: Client) -> bool:
    client.send(f"{GET}\n")
    answer = await client.answer()
    return answer is not None and answer.status == 200


def test_whoever_does_not_agree_on_tls_is_given_up_and_others_are_served(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_listener, "HANDSHAKE_SECONDS", 2.0)

    async def test() -> None:
        async with running(certificates) as server:
            silent, begins, strange = [await server.client(greets=False) for _ in range(3)]
            begins.send(HELLO)
            strange.send(f"{GET}\n")
            assert await status(server) == 200
            assert await asyncio.gather(*(one.ended() for one in (silent, begins, strange))) == [True] * 3
            assert await status(server) == 200

    in_loop(test())


def test_connections_count_from_their_beginning_and_once(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_listener, "HANDSHAKE_SECONDS", 60.0)

    async def test() -> None:
        async with running(certificates, max_connections_per_address=3) as server:
            three = [await server.client("127.0.0.2") for _ in range(3)]
            assert await asyncio.gather(*map(served, three)) == [True] * 3
            assert await status(server, "127.0.0.2") == 429
            silent = [await server.client("127.0.0.3", greets=False) for _ in range(3)]
            while await status(server, "127.0.0.3") != 429:  # the server sees them in its time
                await asyncio.sleep(0.02)
            silent[0].writer.transport.abort()
            while await status(server, "127.0.0.3") != 200:
                await asyncio.sleep(0.02)

    in_loop(test())


def test_far_too_many_are_cut_at_once_and_take_no_place_of_others(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_listener, "HANDSHAKE_SECONDS", 60.0)
    monkeypatch.setattr("tensorfleet.http.serving.connections.MOST_REFUSED", 2)

    async def test() -> None:
        async with running(certificates, max_connections=5, max_connections_per_address=3) as server:
            silent = [await server.client("127.0.0.2", greets=False) for _ in range(5)]
            assert await (await server.client("127.0.0.2", greets=False)).ended()
            assert await status(server, "127.0.0.3") == 200
            silent[-1].writer.transport.abort()
            while await status(server, "127.0.0.2") != 429:
                await asyncio.sleep(0.02)
            others = [await server.client("127.0.0.3") for _ in range(2)]
            assert await asyncio.gather(*map(served, others)) == [True] * 2
            assert await status(server, "127.0.0.4") == 503

    in_loop(test())


def test_where_one_can_not_listen_is_told_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for host, cause in {
            "127.0.0.1": "Address already in use",
            "a..b": "it is no name",
            "192.0.2.1": "Cannot assign requested address",
        }.items():
            with pytest.raises(SettingsInvalid) as told:
                listening_sockets(host, port)
            assert told.value.detail == f"Can't listen on HOST {host}, PORT {port}: {cause}."


def test_an_address_of_a_protocol_that_is_turned_off_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ::1, which localhost stands for too."""
    create, found = socket.create_server, socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)

    def without_ipv6(address: Any, *, family: int, backlog: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create(address, family=family, backlog=backlog)

    both = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)), *found]
    monkeypatch.setattr(socket, "create_server", without_ipv6)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    (one,) = listening_sockets("localhost", 0)
    one.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both[:1])
    with pytest.raises(SettingsInvalid, match="Address family not supported"):
        listening_sockets("localhost", 0)
