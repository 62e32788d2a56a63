"""One small app behind the server of the services, on a real socket, with limits that are quick to reach."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from tensorfleet.http.addresses import address_of
from tensorfleet.http.app import make_app
from tensorfleet.http.json import json_response, read_body
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.serving.server import serve
from tensorfleet.process import Lifeline
from tensorfleet.settings import Settings
from tests.certificates import Certificates
from tests.processes import free_port

SERVERS = {"kafka_bootstrap_servers": "k", "mongodb_url": "m", "minio_endpoint": "s"}
SECRETS = {"minio_access_key": "a", "minio_secret_key": "s"}
LARGE = 20_000_000


def settings(**given: Any) -> Settings:
    return Settings(**{**SERVERS, **SECRETS, **given})


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(json.loads(self.body)["code"])


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, text: str | bytes) -> None:
        self.writer.write(text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode("latin-1"))

    async def answer(self) -> Answer | None:
        """None if the connection ends without one."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return Answer(int(status.split()[1]), headers, body)

    async def ended(self) -> bool:
        """Waits until the server has closed the connection; whatever came before is dropped."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        return True

    async def drip(self, text: str, every: float) -> None:
        """One byte after another, until nobody takes them."""
        with suppress(ConnectionError):
            for character in text:
                self.send(character)
                await self.writer.drain()
                await asyncio.sleep(every)


def routes() -> APIRouter:
    router = APIRouter()

    @router.post("/api/v1/models")
    async def takes_a_body(request: Request) -> Response:
        return json_response({"bytes": len(await read_body(request))})

    @router.get("/api/v1/models")
    async def tells_the_address(request: Request) -> Response:
        return json_response({"address": address_of(request.scope)})

    @router.get("/metrics")
    async def is_large() -> Response:
        return Response(b"x" * LARGE)

    return router


class Server:
    """`trusted`: it speaks TLS."""

    def __init__(self, port: int, trusted: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._trusted = trusted
        self._clients: list[Client] = []

    async def client(self, source: str = "127.0.0.1", *, greets: bool = True) -> Client:
        """`greets`: it agrees on TLS, if that is what the server speaks."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(source, 0), ssl=self._trusted if greets else None
        )
        self._clients.append(Client(reader, writer))
        return self._clients[-1]

    async def ask(self, head: str, source: str = "127.0.0.1") -> Answer | None:
        """On a connection of its own."""
        client = await self.client(source)
        client.send(head)
        try:
            return await client.answer()
        finally:
            client.writer.close()

    def close(self) -> None:
        for one in self._clients:
            one.writer.transport.abort()


@asynccontextmanager
async def running(certificates: Certificates | None = None, **given: Any) -> AsyncIterator[Server]:
    """With the settings that are `given`; by TLS with `certificates`."""
    trusted = None
    if certificates is not None:
        trusted = certificates.trusted
        given |= {"tls_certificate_file": certificates.certificate, "tls_key_file": certificates.key}
    lifeline, port = Lifeline(), free_port()
    app = make_app("test", Metrics(), [routes()], cors_origins="", on_unexpected=lifeline.fail)
    serving = asyncio.create_task(serve(app, settings(port=port, **given), lifeline))
    server = Server(port, trusted)
    try:
        while True:
            with suppress(ConnectionError):
                await server.ask("GET /docs/problems HTTP/1.1\nHost: a\nConnection: close\n\n")
                break
            await asyncio.sleep(0.01)
        yield server
    finally:
        server.close()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await lifeline.close()
