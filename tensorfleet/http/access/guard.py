"""Guards every route of an app: who asks is found out here, and whether the table of routes lets them.

It wraps what each route calls, so that a request is matched to its route once, and nothing is decided about a path in
two places. What is refused never reaches the route: its body is not read.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tensorfleet.access.audit import Access
from tensorfleet.access.denials import Denied, Reason
from tensorfleet.access.principal import EVERYONE, NOBODY, Principal
from tensorfleet.domain.errors import Forbidden, RegistryError, TooManyRequests, Unauthenticated
from tensorfleet.http.access.rate_limits import RateLimits, Standing, announcing, refuse_too_many
from tensorfleet.http.access.routes_table import Entry, Limited, Metered, Public, entry_for
from tensorfleet.http.addresses import address_of
from tensorfleet.http.problems import problem_members, problem_response, status_of

API_KEY_HEADER: Final = "x-api-key"
MOST_CREDENTIAL: Final = 8 * 1024
"""Characters of a key or token; a longer one is not looked at."""
_PRINCIPAL: Final = "tensorfleet.principal"
_DENIED: Final = "tensorfleet.denied"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Authenticator(Protocol):
    def authenticate(self, text: str, now: int) -> Principal:
        """Whose key or token `text` is. Denied for one that does not count at `now`, microseconds since 1970."""
        raise NotImplementedError

    def still_counts(self, principal: Principal, now: int) -> bool:
        """Whether what began with this principal may go on."""
        raise NotImplementedError


class AccessLog(Protocol):
    def add(self, access: Access) -> None:
        """Put one access on record, in time; never waits."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`public`: what a setting has opened to all."""

    authenticator: Authenticator
    log: AccessLog
    public: frozenset[Public]

    def lets_all(self, entry: Entry) -> bool:
        return entry.role is None or entry.public in self.public


def principal_of(request: Request) -> Principal:
    """Who asks; EVERYONE while authentication is off."""
    found: Principal = request.scope.get(_PRINCIPAL, EVERYONE)
    return found


def note_denial(request: Request, reason: Reason) -> None:
    """What is answered as not found, or is a part of the request only, is on record as what it is."""
    request.scope[_DENIED] = reason


def protect(app: FastAPI, guard: Guard | None, limits: RateLimits | None) -> None:
    """Give every route its entry of the table; LookupError for a route that has none.

    `guard` None: everyone may do everything, as often as `limits` allows an address to.
    """
    for route in app.router.routes:
        if not isinstance(route, Route):
            raise LookupError(f"{route!r} is no single route, so it can't be guarded")
        entries = {method: _entry(method, route.path) for method in route.methods or ()}
        if guard is not None:
            route.app = _Guarded(route.app, route.path, entries, guard, limits)
        elif limits is not None:
            route.app = _Counted(route.app, entries, limits)


def _entry(method: str, path: str) -> Entry:
    found = entry_for(method, path)
    if found is None:
        raise LookupError(f"{method} {path} has no entry in tensorfleet/http/access/routes_table.py")
    return found


class _Counted:
    """A route while authentication is off."""

    def __init__(self, app: ASGIApp, entries: dict[str, Entry], limits: RateLimits) -> None:
        self._app = app
        self._entries = entries
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        standings = self._limits.take(scope, EVERYONE, self._entries[scope["method"]].metered)
        answer = announcing(standings, send)
        try:
            refuse_too_many(standings)
        except TooManyRequests as error:
            await problem_response(problem_members(error))(scope, receive, answer)
            return
        await self._app(scope, receive, answer)


class _Guarded:
    def __init__(
        self, app: ASGIApp, path: str, entries: dict[str, Entry], guard: Guard, limits: RateLimits | None
    ) -> None:
        self._app = app
        self._path = path
        self._entries = entries
        self._guard = guard
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        entry = self._entries[method]
        standings: list[Standing] = []
        try:
            principal = self._admitted(scope, entry, standings)
        except RegistryError as error:
            await problem_response(problem_members(error))(scope, receive, announcing(standings, send))
            return
        scope[_PRINCIPAL] = principal
        answer = announcing(standings, send)
        if principal is NOBODY:
            await self._app(scope, receive, answer)
        elif method in _READING and principal.names is None:
            await self._app(scope, receive, answer)
            if _DENIED in scope:  # it asked for what is another's, as if that were not there
                self._note(principal, scope, 404)
        else:
            await self._watched(principal, scope, receive, answer)

    def _admitted(self, scope: Scope, entry: Entry, standings: list[Standing]) -> Principal:
        """Unauthenticated, Forbidden, TooManyRequests; each is put on record. `standings` gets what was counted.

        A key that counts is never held up by others that do not, from whatever address they come.
        """
        if self._guard.lets_all(entry):
            self._count(scope, NOBODY, entry.metered, standings)
            return NOBODY
        try:
            principal = self._guard.authenticator.authenticate(_credential(scope), time.time_ns() // 1000)
        except Denied as denied:
            self._count(scope, NOBODY, Metered.REQUEST, standings, denied)
            unknown = Unauthenticated(_DETAILS.get(denied.reason, "This key does not count."))
            self._record(scope, denied.reason, unknown, denied.actor, denied.key_id)
            raise unknown from None
        self._count(scope, principal, entry.metered, standings)
        if entry.role not in principal.roles:
            refusal = Forbidden(f"This takes a key with the role {entry.role}.")
            self._record(scope, Reason.ROLE, refusal, principal.actor, principal.key_id)
            raise refusal
        if principal.names is not None and entry.limited is Limited.REFUSED:
            refusal = Forbidden("This tells of all models, and the key is limited to some.")
            self._record(scope, Reason.LIMITED, refusal, principal.actor, principal.key_id)
            raise refusal
        return principal

    def _count(
        self,
        scope: Scope,
        principal: Principal,
        metered: Metered,
        standings: list[Standing],
        denied: Denied | None = None,
    ) -> None:
        """TooManyRequests; on record is why the request was `denied` anyway, if it was."""
        if self._limits is None:
            return
        standings.extend(self._limits.take(scope, principal, metered))
        try:
            refuse_too_many(standings)
        except TooManyRequests as refusal:
            one = denied or Denied(Reason.TOO_MANY, principal.actor, principal.key_id)
            self._record(scope, one.reason, refusal, one.actor, one.key_id)
            raise

    async def _watched(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        """Put on record what is changed, and what is denied further inside."""

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(principal, scope, message["status"])
            await send(message)

        await self._app(scope, receive, watched)

    def _note(self, principal: Principal, scope: Scope, status: int) -> None:
        who = (principal.actor, principal.key_id, scope["method"], self._path, address_of(scope))
        if _DENIED in scope or (status == 403 and principal.names is not None):
            self._guard.log.add(Access("denied", *who, scope.get(_DENIED, Reason.LIMITED), status))
        if status < 400 and scope["method"] not in _READING:
            self._guard.log.add(Access("used", *who, "", status))

    def _record(self, scope: Scope, reason: Reason, error: RegistryError, actor: str, key_id: str | None) -> None:
        address, status = address_of(scope), status_of(error)
        self._guard.log.add(Access("denied", actor, key_id, scope["method"], self._path, address, reason, status))


_DETAILS: Final = {
    Reason.NO_KEY: "Show a key as X-API-Key, or a key or token as Authorization: Bearer.",
    Reason.EXPIRED: "This key has expired.",
    Reason.REVOKED: "This key was revoked.",
}
"""The last two are told only to those who hold the whole key."""


def _credential(scope: Scope) -> str:
    """The one key or token that the request shows. Denied for none, several that differ, or one that is too long."""
    headers = Headers(scope=scope)
    given = set(_credentials(headers))
    if not given:
        raise Denied(Reason.NO_KEY)
    if len(given) > 1:
        raise Denied(Reason.MALFORMED)
    found = given.pop()
    if not 0 < len(found) <= MOST_CREDENTIAL:
        raise Denied(Reason.MALFORMED)
    return found


def _credentials(headers: Headers) -> Iterable[str]:
    yield from headers.getlist(API_KEY_HEADER)
    for value in headers.getlist("authorization"):
        scheme, _, rest = value.partition(" ")
        yield rest.strip() if scheme.lower() == "bearer" else ""
