"""What the projector serves over HTTP: its health and its metrics."""

from __future__ import annotations

from typing import Any

from services.projector.consumer import Projector
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.topics import Topics
from tensorfleet.http.access_side import access_side
from tensorfleet.http.app import make_app
from tensorfleet.http.health import Health, health_routes
from tensorfleet.http.metrics import Metrics
from tensorfleet.http.server import serve
from tensorfleet.kafka.availability import KafkaCheck
from tensorfleet.process import Halt, Lifeline
from tensorfleet.settings import Settings


async def serve_health(
    settings: Settings,
    topics: Topics,
    projector: Projector,
    halt: Halt,
    check_kafka: KafkaCheck,
    metrics: Metrics,
    lifeline: Lifeline,
) -> None:
    """Until a signal or the first unexpected error, which is raised."""

    async def check_projection() -> str | None:
        waiting = None if projector.assigned else "no partitions are assigned yet"
        return halt.reason or projector.trouble or waiting

    async def numbers() -> dict[str, Any]:
        return {"projection_lag_events": sum(projector.lag.values())}

    health = Health("projector", {"kafka": check_kafka, "projection": check_projection}, numbers, settings.warnings)
    async with access_side(settings, topics, Catalogue(), lifeline, f"{topics.registry}.projector") as access:
        app = make_app(
            "TensorFleet projector",
            metrics,
            [health_routes(health, metrics)],
            cors_origins=settings.cors_origins,
            on_unexpected=lifeline.fail,
            guard=access.guard,
            limits=access.limits,
        )
        await serve(app, settings, lifeline)
