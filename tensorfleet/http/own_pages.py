"""While authentication is off, whoever reaches the registry may change it, but no web page of another site.

A page in a browser beside the registry can send forms and files to any address, and nobody asks the address before. But
the browser tells where a request comes from; pages of other sites than those of CORS_ORIGINS change nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tensorfleet.domain.errors import ForeignPage
from tensorfleet.http.problems import problem_members, problem_response

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN: Final = frozenset({"same-origin", "none"})
"""Of Sec-Fetch-Site: a page of this registry, or no page at all but the user."""


def keep_to_own_pages(app: FastAPI, origins: Collection[str]) -> None:
    """Around every route; `origins` are those of other pages that may change things, `*` is everyone."""
    for route in app.router.routes:
        if isinstance(route, Route) and (route.methods or set()) - _READING and "*" not in origins:
            route.app = _OwnPages(route.app, frozenset(origins))


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
