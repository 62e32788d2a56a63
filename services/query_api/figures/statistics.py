"""Figures about the whole registry, in the two shapes that clients know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.as_of import AS_OF, View, Views
from services.query_api.figures.rankings import HOUR
from services.query_api.figures.statistics_of_names import FiguresOfNames
from services.query_api.gate import ReadGate, docs
from services.query_api.lists.filters import STATUSES
from services.query_api.rendering import size_text
from services.query_api.tenancy import names_of, refuse_limited
from tensorfleet.http.conditional import conditional_json
from tensorfleet.mongo.read_models import (
    DOWNLOAD_HOURS,
    DOWNLOAD_TOTALS,
    MODELS,
    REGISTRATION_HOURS,
    STATISTICS,
    Document,
    ReadModels,
)
from tensorfleet.projection.facets import ALL

DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Totals:
    """The sum over all partitions."""

    models: int
    algorithms: dict[str, int]
    statuses: dict[str, int]
    total_size_bytes: int
    files: int

    @property
    def average_size_bytes(self) -> int:
        return round(self.total_size_bytes / self.files) if self.files else 0


async def totals(reads: ReadModels) -> Totals:
    parts = await reads.find(STATISTICS, {})
    algorithms: Counter[str] = Counter()
    statuses = Counter({status: 0 for status in STATUSES})
    for part in parts:
        algorithms.update({name: count for name, count in part["algorithms"]})
        statuses.update(part["statuses"])
    return Totals(
        models=sum(part["models"] for part in parts),
        algorithms={name: algorithms[name] for name in sorted(algorithms) if algorithms[name]},
        statuses=dict(statuses),
        total_size_bytes=sum(part["total_size_bytes"] for part in parts),
        files=sum(part["files"] for part in parts),
    )


def totals_of(models: Iterable[Document]) -> Totals:
    """The same of single models."""
    algorithms: Counter[str] = Counter()
    statuses = Counter({status: 0 for status in STATUSES})
    number, size, files = 0, 0, 0
    for one in models:
        number += 1
        algorithms[one["algorithm"]] += 1
        statuses[one["status"]] += 1
        size += one["total_size_bytes"]
        files += one["file_count"]
    return Totals(number, dict(sorted(algorithms.items())), dict(statuses), size, files)


class Figures(Protocol):
    """Of all models, or of those that a key sees."""

    async def totals(self) -> Totals: ...
    async def added_since(self, since: int) -> int: ...
    async def downloads_after(self, hour: int | None) -> int: ...


@dataclass(frozen=True, slots=True)
class OfAll:
    view: View

    async def totals(self) -> Totals:
        return await totals(self.view.reads)

    async def added_since(self, since: int) -> int:
        return await _added_since(self.view, since)

    async def downloads_after(self, hour: int | None) -> int:
        return await _downloads_after(self.view, hour)


class OfNames(FiguresOfNames):
    async def totals(self) -> Totals:
        return totals_of(await self.live())


def _figures(request: Request, view: View) -> Figures:
    names = names_of(request)
    if names is None:
        return OfAll(view)
    if view.past:
        refuse_limited(request, "Figures of the past are kept of all models together")
    return OfNames(view.reads, names)


def statistics_routes(gate: ReadGate, views: Views) -> APIRouter:
    router = APIRouter(tags=["statistics"])

    @router.get("/api/v1/models/statistics", **docs("get_model_statistics", "Figures, with sizes in numbers", [AS_OF]))
    async def first_shape(request: Request) -> Response:
        view = await views.of(await gate.enter(request, [AS_OF]))
        now, source = view.now, _figures(request, view)
        figures = await source.totals()
        members = {
            "total_models": figures.models,
            "algorithms": figures.algorithms,
            "status_distribution": figures.statuses,
            "total_downloads": await source.downloads_after(None),
            "storage_usage": {
                "total_size_gb": round(figures.total_size_bytes / 10**9, 9),
                "average_model_size_mb": round(figures.average_size_bytes / 10**6, 6),
            },
            "recent_activity": {
                "models_added_last_7_days": await source.added_since(now - 7 * DAY),
                "downloads_last_24_hours": await source.downloads_after(now // HOUR - 24),
            },
        }
        return conditional_json(request, members)

    @router.get("/api/v1/statistics", **docs("get_statistics", "Figures, with sizes in words", [AS_OF]))
    async def second_shape(request: Request) -> Response:
        view = await views.of(await gate.enter(request, [AS_OF]))
        today, source = view.now // DAY, _figures(request, view)
        figures = await source.totals()
        members = {
            "total_models": figures.models,
            "models_by_algorithm": figures.algorithms,
            "models_by_status": figures.statuses,
            "storage_stats": {
                "total_size": size_text(figures.total_size_bytes),
                "average_model_size": size_text(figures.average_size_bytes),
            },
            "recent_activity": {
                "models_created_today": await source.added_since(today * DAY),
                "models_downloaded_today": await source.downloads_after(today * 24 - 1),
            },
        }
        return conditional_json(request, members)

    return router


async def _added_since(view: View, since: int) -> int:
    """Whole hours are summed; only in the hour that `since` falls into are models counted. Of the past there are no
    sums."""
    if view.past:
        return await _number(view.reads, {"deleted": False, "created_at": {"$gte": since}})
    first = -(-since // HOUR)
    begun = {"facets": ALL, "created_at": {"$gte": since, "$lt": first * HOUR}}
    added = await _sum(view.reads, REGISTRATION_HOURS, "models", {"hour": {"$gte": first}})
    return added + (await _number(view.reads, begun) if since % HOUR else 0)


async def _number(reads: ReadModels, where: Mapping[str, Any]) -> int:
    found = await reads.scan(MODELS, [{"$match": where}, {"$count": "models"}])
    return int(found[0]["models"]) if found else 0


async def _downloads_after(view: View, hour: int | None) -> int:
    """None: all of them."""
    later = {} if hour is None else {"hour": {"$gt": hour}}
    if view.past:
        return await _sum(view.reads, DOWNLOAD_HOURS, "downloads", later)
    return await _sum(view.reads, DOWNLOAD_TOTALS, "downloads", later or {"hour": None})


async def _sum(reads: ReadModels, collection: str, field: str, where: dict[str, Any]) -> int:
    found = await reads.scan(collection, [{"$match": where}, {"$group": {"_id": None, "sum": {"$sum": f"${field}"}}}])
    return int(found[0]["sum"]) if found else 0
