"""A keep-alive HTTP client that does no more than the load needs: the machine's cores are for the registry."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from dataclasses import dataclass

from devstack.ports import HOST

_NONE: Mapping[str, str] = {}


class NoAnswer(Exception):
    """No whole answer came: refused, cut, or too late. What became of the request is not known."""


class Refused(NoAnswer):
    """Nobody listens at the port: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Any number of requests to one port at once; a connection serves one at a time and is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[StreamReader, StreamWriter]] = []

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = _NONE, *, seconds: float
    ) -> Reply:
        """NoAnswer after `seconds` at the latest; then the connection is closed, as by a client that hangs up."""
        writer: StreamWriter | None = None
        whole = False
        try:
            async with asyncio.timeout(seconds):
                reader, writer = self._kept() or await asyncio.open_connection(HOST, self._port)
                writer.write(_head(method, path, body, headers) + body)
                reply = await _reply(reader)
                whole = True
        except ConnectionRefusedError as error:
            raise Refused(repr(error)) from error
        except (OSError, EOFError, KeyError, ValueError, asyncio.LimitOverrunError) as error:
            raise NoAnswer(repr(error)) from error
        finally:
            if writer is not None and not whole:
                writer.transport.abort()
        if reply.headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return reply

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def _kept(self) -> tuple[StreamReader, StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None


def _head(method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _reply(reader: StreamReader) -> Reply:
    """Only answers with a Content-Length: the registry gives no others to these requests."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    body = await reader.readexactly(int(headers["content-length"]))
    return Reply(int(first[9:12]), headers, body)
