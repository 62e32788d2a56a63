"""All that a process serves over HTTP whose work is elsewhere: its health and its metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.topics import Topics
from tensorfleet.http.access.side import access_side
from tensorfleet.http.app import make_app
from tensorfleet.http.health import Check, Health, health_routes
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.serving.server import serve
from tensorfleet.process import Lifeline
from tensorfleet.settings import Settings


async def _no_numbers() -> dict[str, Any]:
    return {}


async def serve_health(
    name: str,
    settings: Settings,
    topics: Topics,
    checks: Mapping[str, Check],
    metrics: Metrics,
    lifeline: Lifeline,
    numbers: Callable[[], Awaitable[dict[str, Any]]] = _no_numbers,
) -> None:
    """Until a signal or the first unexpected error, which is raised. `numbers` are shown beside the checks."""
    health = Health(name, checks, numbers, settings.warnings)
    async with access_side(settings, topics, Catalogue(), lifeline, f"{topics.registry}.{name}") as access:
        app = make_app(
            f"TensorFleet {name}",
            metrics,
            [health_routes(health, metrics)],
            cors_origins=settings.cors_origins,
            hosts=settings.own_hosts,
            on_unexpected=lifeline.fail,
            guard=access.guard,
            limits=access.limits,
        )
        await serve(app, settings, lifeline)
