"""Answers that are given again while nothing has changed: a dashboard asks for the same page over and over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.query_api.gate import MIN_POSITION
from services.query_api.tenancy import names_of
from tensorfleet.domain.errors import ReadModelsUnavailable
from tensorfleet.http.conditional import is_unchanged
from tensorfleet.mongo.standing import Standing, StandingReader

Asked = tuple[bytes, bytes, str | None]
"""The path and the query string, as they came, and the prefix of names that the key is limited to."""

_LARGEST_SHARE: Final = 16
"""No answer takes more than this part of the room."""
_ENTRY_BYTES: Final = 1_000
"""About what an entry takes beside the bytes of its question and of its answer."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A 200. Whatever stood at `standing` when it was asked for stands there still: so does the answer."""

    standing: Standing
    headers: list[tuple[bytes, bytes]]
    etag: str
    body: bytes


class KeptAnswers:
    """Around `routes`, whose answers depend on the read models and on what a key sees, on neither a clock nor Kafka.

    An answer is kept with the standing that was read before it was made, and given again only to those for whom that
    standing was read anew, after they asked: what was between two equal ones is nothing. So nobody sees less than what
    was written before, in whatever process; what it saves is all the work but that one small read, which all who ask
    at the same moment share. Only what is asked for a second time is kept, the latest asked for, up to `most_bytes`.
    """

    def __init__(self, standing: StandingReader, routes: Iterable[BaseRoute], most_bytes: int) -> None:
        self._standing = standing
        self._routes = {id(one) for one in routes}
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: OrderedDict[Asked, _Kept | None] = OrderedDict()

    def around(self, route: BaseRoute, app: ASGIApp) -> ASGIApp:
        """What the route calls instead of `app`, within the guard: whoever is refused there gets nothing from here."""
        if id(route) not in self._routes:
            return app

        async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
            await self._answer(app, scope, receive, send)

        return keeping

    async def _answer(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or MIN_POSITION in Headers(scope=scope):
            await app(scope, receive, send)
            return
        names = names_of(Request(scope))
        asked = scope["raw_path"], scope["query_string"], None if names is None else names.text
        if asked not in self._entries:
            await app(scope, receive, send)
            self._put(asked, None)
            return
        try:
            standing = await self._standing.now()
        except ReadModelsUnavailable:
            await app(scope, receive, send)
            return
        kept = self._entries.get(asked)
        if kept is not None and kept.standing == standing:
            self._entries.move_to_end(asked)
            await _give(kept, Request(scope), send)
            return
        answer = _Answer(send)
        await app(scope, receive, answer.send)
        if answer.whole:
            self._keep(asked, _Kept(standing, answer.headers, answer.etag, answer.body))

    def _keep(self, asked: Asked, answer: _Kept) -> None:
        if len(answer.body) <= self._most_bytes // _LARGEST_SHARE:
            self._put(asked, answer)

    def _put(self, asked: Asked, answer: _Kept | None) -> None:
        if asked in self._entries:
            self._bytes -= _size(asked, self._entries.pop(asked))
        self._entries[asked] = answer
        self._bytes += _size(asked, answer)
        while self._bytes > self._most_bytes:
            self._bytes -= _size(*self._entries.popitem(last=False))


class _Answer:
    """Passes an answer on, and has it afterwards."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self.headers = message["status"], list(message["headers"])
        elif message["type"] == "http.response.body":
            self.whole = self._status == 200 and not self.body and not message.get("more_body", False)
            self.body = message.get("body", b"")
        await self._send(message)

    @property
    def etag(self) -> str:
        return Headers(raw=self.headers)["ETag"]


async def _give(kept: _Kept, request: Request, send: Send) -> None:
    if is_unchanged(request, kept.etag):
        headers = [one for one in kept.headers if one[0] not in (b"content-length", b"content-type")]
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    await send({"type": "http.response.start", "status": 200, "headers": list(kept.headers)})
    await send({"type": "http.response.body", "body": kept.body})


def _size(asked: Asked, answer: _Kept | None) -> int:
    return _ENTRY_BYTES + sum(len(part or "") for part in asked) + (0 if answer is None else len(answer.body))
