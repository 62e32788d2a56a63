"""The health of the whole registry, as one machine sees it."""

from __future__ import annotations

import shutil
import time
from typing import Any

from services.command_api.health import ProjectionLag
from services.command_api.service import CommandSide
from services.query_api.health import query_health
from tensorfleet.blobs.store import BlobStore
from tensorfleet.http.health import Check, Health
from tensorfleet.http.metrics import Metrics
from tensorfleet.mongo.read_models import ReadModels

_LEAST_FREE_BYTES = 100 * 10**6


def gateway_health(
    check_kafka: Check,
    reads: ReadModels,
    blobs: BlobStore,
    commands: CommandSide,
    lag: ProjectionLag,
    metrics: Metrics,
    warnings: tuple[str, ...],
) -> Health:
    queries = query_health(reads, blobs, metrics, warnings)

    async def numbers() -> dict[str, Any]:
        found = await queries.numbers()
        commands.measure(metrics)
        return {**found, "projection_lag_events": lag.events, "projection_lag_seconds": lag.seconds(time.monotonic())}

    checks = {
        "kafka": check_kafka,
        **queries.checks,
        "disk_space": _check_disk,
        "projection": lag.check,
        "model_registry": commands.check_ownership,
    }
    return Health("model-service", checks, numbers, warnings)


async def _check_disk() -> str | None:
    free = shutil.disk_usage(".").free
    return None if free > _LEAST_FREE_BYTES else f"only {free} bytes are free on the disk"
