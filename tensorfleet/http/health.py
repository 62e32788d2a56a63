"""Health, readiness and metrics: the same routes for every service, over checks of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from tensorfleet.access.principal import EVERYONE
from tensorfleet.http.access.guard import principal_of
from tensorfleet.http.json import json_response
from tensorfleet.http.metrics import Metrics

Check = Callable[[], Awaitable[str | None]]
"""Returns what is wrong, as a sentence, or None."""

CHECK_SECONDS = 3.0
HEALTHY = "healthy"
_UNWELL: dict[int | str, dict[str, Any]] = {503: {"description": "No; the same members say why"}}
_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@dataclass(frozen=True, slots=True)
class Health:
    """`checks` by name; `numbers` gives the members of `metrics` in the detailed answer, best effort."""

    service: str
    checks: Mapping[str, Check]
    numbers: Callable[[], Awaitable[dict[str, Any]]]
    warnings: tuple[str, ...] = field(default=())

    async def results(self) -> dict[str, str]:
        """Each check's name to `healthy` or what is wrong with it; no check takes longer than CHECK_SECONDS."""
        found = await asyncio.gather(*(_bounded(check) for check in self.checks.values()))
        return dict(zip(self.checks, found, strict=True))


async def _bounded(check: Check) -> str:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS) or HEALTHY
    except TimeoutError:
        return f"no answer within {CHECK_SECONDS:g} s"


def health_routes(health: Health, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.get("/health", operation_id="get_health", summary="Is the registry whole?", responses=_UNWELL)
    async def overall() -> Response:
        results, numbers = await asyncio.gather(health.results(), health.numbers())
        well = all(result == HEALTHY for result in results.values())
        members = {
            "status": HEALTHY if well else "unhealthy",
            "service": health.service,
            "mongodb_connected": results.get("mongodb", HEALTHY) == HEALTHY,
            "kafka_connected": results.get("kafka", HEALTHY) == HEALTHY,
            "storage_available": results.get("storage", HEALTHY) == HEALTHY,
            "total_models": numbers.get("total_models"),
            "timestamp": _now(),
        }
        return json_response(members, 200 if well else 503)

    @router.get("/health/live", operation_id="get_liveness", summary="Does the process run?")
    async def live() -> Response:
        return json_response({"status": HEALTHY, "service": health.service, "timestamp": _now()})

    @router.get("/health/ready", operation_id="get_readiness", summary="Can it serve?", responses=_UNWELL)
    async def ready(request: Request) -> Response:
        results = await health.results()
        issues = {name: result for name, result in results.items() if result != HEALTHY}
        # With authentication on, this one route is open to all, and what is wrong is in `detailed`.
        shown = issues if principal_of(request) is EVERYONE else dict.fromkeys(issues, "see /health/detailed")
        members = {"status": "not ready" if issues else "ready", "service": health.service, "issues": shown}
        return json_response(members, 503 if issues else 200)

    @router.get(
        "/health/detailed",
        operation_id="get_health_in_detail",
        summary="Each check, and some numbers",
        responses=_UNWELL,
    )
    async def detailed() -> Response:
        results, numbers = await asyncio.gather(health.results(), health.numbers())
        issues = [name for name, result in results.items() if result != HEALTHY]
        members = {
            "service": health.service,
            "status": "unhealthy" if issues else HEALTHY,
            "timestamp": _now(),
            "checks": results,
            "metrics": numbers,
            "issues": [*issues, *health.warnings],
        }
        return json_response(members, 503 if issues else 200)

    @router.get("/metrics", operation_id="get_metrics", summary="Prometheus metrics", responses=_TEXT)
    async def exposition() -> Response:
        await health.numbers()  # which sets the gauges
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return router


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
