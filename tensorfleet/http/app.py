"""The FastAPI app that every service starts from: problems, timing, interactive documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from tensorfleet.http import problems
from tensorfleet.http.access.guard import Guard, protect
from tensorfleet.http.access.own_pages import keep_to_own_pages
from tensorfleet.http.access.rate_limits import RateLimits
from tensorfleet.http.finishing import Finishing
from tensorfleet.http.metrics import Metrics, RequestMetrics
from tensorfleet.http.openapi.document import complete_document
from tensorfleet.http.problem_pages import problem_pages

Innermost = Callable[[BaseRoute, ASGIApp], ASGIApp]
"""From a route and what it calls to what it calls instead."""
_ABOUT = "An event-sourced registry for machine-learning models. Errors are problem answers (RFC 9457)."


def make_app(
    title: str,
    metrics: Metrics,
    routers: Sequence[APIRouter],
    *,
    cors_origins: str,
    hosts: Collection[str] | None = None,
    on_unexpected: Callable[[BaseException], None],
    guard: Guard | None = None,
    limits: RateLimits | None = None,
    innermost: Innermost | None = None,
) -> FastAPI:
    """`cors_origins`: separated by commas, none allows none. `hosts`: the names by which the app may be asked without a
    guard, beside localhost and addresses; None: by any. `on_unexpected` is given every error that is no answer.

    `guard` None: everyone may do everything; `limits` None: as often as they like. LookupError for a route that is not
    in the table of routes. `innermost` may put something around what a route calls; it stands within the guard, and is
    asked for nobody who is refused.
    """
    app = FastAPI(title=title, version="1.0.0", description=_ABOUT, redirect_slashes=False)
    problems.install(app, on_unexpected)
    app.router.routes.extend(problem_pages().routes)
    for router in routers:
        # Not include_router: it keeps the router as a level of its own, and matching by levels costs twice the time.
        app.router.routes.extend(router.routes)
    app.router.routes.extend(_heads(app))
    for route in app.router.routes:
        if isinstance(route, Route):
            # Starlette's `$` lets a line break follow.
            route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z")
            if innermost is not None:
                route.app = innermost(route, route.app)
    protect(app, guard, limits)
    origins = [one.strip() for one in cors_origins.split(",") if one.strip()]
    if guard is None:
        keep_to_own_pages(app, origins, hosts)
    complete_document(app, guarded=guard is not None, limited=limits is not None)
    app.add_middleware(Finishing)
    app.add_middleware(RequestMetrics, metrics=metrics)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    return app


def _heads(app: FastAPI) -> list[APIRoute]:
    """A HEAD for each GET that has none of its own: the same answer, whose body the server leaves out."""
    routes = [one for one in app.router.routes if isinstance(one, APIRoute)]
    have = {one.path for one in routes if "HEAD" in (one.methods or ())}
    gets = [one for one in routes if "GET" in (one.methods or ()) and one.path not in have]
    return [APIRoute(one.path, one.endpoint, methods=["HEAD"], include_in_schema=False) for one in gets]
