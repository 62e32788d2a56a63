"""While authentication is off, whoever reaches the registry may change it, but no web page of another site.

A page in a browser beside the registry can send forms and files to any address, and nobody asks the address before. But
the browser tells where a request comes from; pages of other sites than those of CORS_ORIGINS change nothing.

A site can also let its own name point at the registry's address, and is then the registry's own page for the browser
(DNS rebinding). But then the registry is asked under that name.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tensorfleet.domain.errors import ForeignHost, ForeignPage
from tensorfleet.http.access.routes_table import entry_for
from tensorfleet.http.problems import problem_members, problem_response

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST: Final = re.compile(r"(?:\[(?P<address>[^\]]*)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")
_OWN: Final = frozenset({"same-origin", "none"})
"""Of Sec-Fetch-Site: a page of this registry, or no page at all but the user."""


def keep_to_own_pages(app: FastAPI, origins: Collection[str], hosts: Collection[str] | None) -> None:
    """Around every route; `origins` are those of other pages that may change things, `*` is everyone.

    `hosts`: the names by which the registry may be asked, beside localhost and addresses; None: by any.
    """
    for route in app.router.routes:
        if not isinstance(route, Route):
            continue
        if (route.methods or set()) - _READING and "*" not in origins:
            route.app = _OwnPages(route.app, frozenset(origins))
        if hosts is not None and not _is_open(route):
            route.app = _OwnHosts(route.app, frozenset(hosts) | {"localhost"})


def _is_open(route: Route) -> bool:
    """Whether it is so to all who reach it, as probes are."""
    entries = [entry_for(method, route.path) for method in route.methods or ()]
    return all(one is not None and one.role is None for one in entries)


class _OwnHosts:
    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host")
        if host is None or self._is_own(host):
            await self._app(scope, receive, send)
            return
        refusal = ForeignHost(f"The registry was asked as {host[:100]!r}, a name that ALLOWED_HOSTS does not have.")
        await problem_response(problem_members(refusal))(scope, receive, send)

    def _is_own(self, host: str) -> bool:
        """`host` as the header has it: maybe with a port, maybe an address of IPv6 in brackets."""
        name = _HOST.fullmatch(host.lower())
        if name is None:
            return False
        if name["address"] is None:
            return _is_address(name["name"]) or name["name"].removesuffix(".") in self._hosts
        return _is_address(name["address"])


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _OwnPages:
    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in _READING or self._is_own(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        refusal = ForeignPage("This request comes from a page of another site, which CORS_ORIGINS does not name.")
        await problem_response(problem_members(refusal))(scope, receive, send)

    def _is_own(self, headers: Headers) -> bool:
        """What the browser says of the site goes before a comparison with the host, which a proxy may have changed."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin in self._origins or site in _OWN:
            return True
        if site is not None:
            return False
        return origin is None or origin.partition("//")[2] == headers.get("host")
