"""The FastAPI app that every service starts from: problems, timing, interactive documentation."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware

from tensorfleet.http import problems
from tensorfleet.http.metrics import Metrics, RequestMetrics
from tensorfleet.settings import Settings

_ABOUT = "An event-sourced registry for machine-learning models. Errors are problem answers (RFC 9457)."


def make_app(title: str, settings: Settings, metrics: Metrics, routers: Sequence[APIRouter]) -> FastAPI:
    app = FastAPI(title=title, version="1.0.0", description=_ABOUT, redirect_slashes=False)
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(RequestMetrics, metrics=metrics)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[one.strip() for one in settings.cors_origins.split(",")],
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["*"],
        )
    return app
