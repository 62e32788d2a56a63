"""A keep-alive HTTP client that does no more than the benchmark needs, so that it is not what is measured."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import orjson

from devstack.ports import HOST

_ANSWER_SECONDS = 30.0


class Refused(RuntimeError):
    """`code` is that of the problem."""

    def __init__(self, path: str, status: str, content: bytes) -> None:
        super().__init__(f"{path}: {status} {content[:500]!r}")
        self.code: str = orjson.loads(content)["code"]


class Connection:
    """One connection, one request at a time. Only for answers that have a Content-Length.

    `api_key` goes with every request, if it is given.
    """

    def __init__(self, port: int, api_key: str | None = None) -> None:
        self._port = port
        self._key = "" if api_key is None else f"X-API-Key: {api_key}\r\n"

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def command(self, path: str, body: dict[str, Any], *, wait: bool = False) -> dict[str, Any]:
        """POST a command; the answer comes with the acknowledgment, or with `wait` once it can be read."""
        raw = orjson.dumps(body)
        prefer = "" if wait else "Prefer: respond-async\r\n"
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{prefer}{self._key}"
        return await self._answer(path, f"{head}Content-Length: {len(raw)}\r\n\r\n".encode() + raw)

    async def get(self, path: str) -> dict[str, Any]:
        return await self._answer(path, f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{self._key}\r\n".encode())

    async def _answer(self, path: str, request: bytes) -> dict[str, Any]:
        self._writer.write(request)
        async with asyncio.timeout(_ANSWER_SECONDS):
            answer = await self._reader.readuntil(b"\r\n\r\n")
            length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            content = await self._reader.readexactly(int(length))
        if answer[9:12] not in (b"200", b"201"):
            raise Refused(path, answer[9:12].decode(), content)
        found: dict[str, Any] = orjson.loads(content)
        return found


async def register(connection: Connection, name: str, *, wait: bool = False) -> str:
    """A model with the fields that a training run would send; its id."""
    body = {
        "name": name,
        "algorithm": "RandomForest",
        "framework": "scikit-learn",
        "description": "Finds fraud in card payments.",
        "tags": ["fraud", "production"],
        "created_by": "benchmark",
        "hyperparameters": {"n_estimators": 200, "max_depth": 12},
        "metrics": {"accuracy": 0.952, "f1": 0.94},
        "dataset_info": {"name": "payments", "rows": 120000},
    }
    answer = await connection.command("/api/v1/models", body, wait=wait)
    return str(answer["model_id"])
