"""Whether the query API is well: MongoDB for every read, the blob store for downloads."""

from __future__ import annotations

from typing import Any

from services.query_api.figures.statistics import totals
from tensorfleet.blobs.store import BlobStore
from tensorfleet.domain.errors import ReadModelsUnavailable
from tensorfleet.http.health import Health
from tensorfleet.http.metrics import Metrics
from tensorfleet.mongo.read_models import ReadModels


def query_health(reads: ReadModels, blobs: BlobStore, metrics: Metrics, warnings: tuple[str, ...] = ()) -> Health:
    async def mongodb() -> str | None:
        try:
            await reads.ping()
        except ReadModelsUnavailable as error:
            return error.detail
        return None

    async def storage() -> str | None:
        return None if await blobs.available() else "the blob store does not answer"

    async def numbers() -> dict[str, Any]:
        try:
            figures = await totals(reads)
        except ReadModelsUnavailable:
            return {}
        metrics.active_models.set(figures.statuses["active"])
        metrics.storage_bytes.set(figures.total_size_bytes)
        return {
            "total_models": figures.models,
            "active_models": figures.statuses["active"],
            "storage_usage_gb": round(figures.total_size_bytes / 10**9, 9),
        }

    return Health("query_api", {"mongodb": mongodb, "storage": storage}, numbers, warnings)
