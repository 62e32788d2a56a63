"""What every answer gets by itself: a Cache-Control, and compression where it pays, with tags that stay right."""

from __future__ import annotations

import asyncio
import gzip
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tensorfleet.http.conditional import is_named

LEAST_BYTES: Final = 4 * 1024
"""Below, an answer is in two or three packets anyway, and compressing it costs as much as making it."""
_IN_THREAD_BYTES: Final = 128 * 1024
_LEVEL: Final = 1
_COMPRESSED_TYPES: Final = ("application/json", "application/problem+json", "application/vnd.schemaregistry.v1+json")


class Finishing:
    """ASGI middleware. Only JSON that comes in one piece is compressed: no files, no streams.

    A compressed answer has other bytes than a plain one, so its strong tag becomes a weak one, which still tells
    whether the content changed. `no-store` is for whatever does not say how it may be kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: Message | None = None

        async def finished(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                if _prepare(message, scope):
                    held = message
                else:
                    await send(message)
                return
            if held is not None:
                start, held = held, None
                if not message.get("more_body", False) and len(message.get("body", b"")) >= LEAST_BYTES:
                    message = await _compressed(start, message)
                await send(start)
            await send(message)

        await self._app(scope, receive, finished)


def _prepare(start: Message, scope: Scope) -> bool:
    """Complete the headers; whether the body is one that may be compressed for this client."""
    headers, asked = MutableHeaders(raw=start["headers"]), Headers(scope=scope)
    headers.setdefault("Cache-Control", "no-store")
    accepted = accepts_gzip(asked.get("Accept-Encoding", ""))
    if start["status"] == 304 and "Accept-Ranges" not in headers:
        headers.add_vary_header("Accept-Encoding")
        if accepted and is_named(asked, f"W/{headers['ETag']}"):
            headers["ETag"] = f"W/{headers['ETag']}"
    kind = headers.get("Content-Type", "").partition(";")[0]
    if kind not in _COMPRESSED_TYPES or "Content-Encoding" in headers:
        return False
    headers.add_vary_header("Accept-Encoding")
    return accepted


async def _compressed(start: Message, message: Message) -> Message:
    body = message["body"]
    if len(body) < _IN_THREAD_BYTES:
        smaller = gzip.compress(body, _LEVEL, mtime=0)
    else:
        smaller = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
    headers = MutableHeaders(raw=start["headers"])
    headers["Content-Encoding"] = "gzip"
    headers["Content-Length"] = str(len(smaller))
    tag = headers.get("ETag")
    if tag is not None and not tag.startswith("W/"):
        headers["ETag"] = f"W/{tag}"
    return {**message, "body": smaller}


@lru_cache(256)
def accepts_gzip(accept_encoding: str) -> bool:
    """By RFC 9110, 12.5.3: named, or covered by `*`, and not with a weight of zero."""
    weights = {}
    for one in accept_encoding.lower().split(","):
        coding, _, parameters = one.partition(";")
        weights[coding.strip()] = parameters.replace(" ", "").removeprefix("q=") or "1"
    weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", "0")))
    return weight.strip("0.") != ""
