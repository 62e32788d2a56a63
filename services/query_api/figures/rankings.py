"""Short lists: the most downloaded models of a window, and the newest registrations and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.figures.popular import WindowRanking, most_downloaded
from services.query_api.gate import ReadGate, docs
from services.query_api.lookups import download_counts
from services.query_api.ports import Clock
from services.query_api.rendering import row
from services.query_api.tenancy import named, names_of
from tensorfleet.access.principal import NamePrefix
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS, MODELS, VERSIONS, Document, ReadModels
from tensorfleet.projection.facets import ALL

DEFAULT_LIMIT: Final = 10
HOUR: Final = 3_600_000_000
WINDOWS: Final = {"24h": "day", "7d": "week", "30d": "month"}
WINDOW: Final = Parameter(
    "window",
    "Which downloads count; the hour that runs is the last of a window.",
    {"type": "string", "enum": [*WINDOWS, "all"], "default": "all"},
)

Stages = Sequence[Mapping[str, Any]]


def ranking_routes(gate: ReadGate, reads: ReadModels, clock: Clock, max_page_size: int) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    default = min(DEFAULT_LIMIT, max_page_size)
    schema = {"type": "integer", "minimum": 1, "maximum": max_page_size, "default": default}
    limit_parameter = Parameter("limit", "Rows at most.", schema)

    @router.get("/popular", **docs("list_popular_models", "Most downloaded models", [WINDOW, limit_parameter]))
    async def popular(request: Request) -> Response:
        parameters = await gate.enter(request, [WINDOW, limit_parameter])
        window = parameters.choice("window", [*WINDOWS, "all"]) or "all"
        names = names_of(request)
        limit = parameters.integer("limit", default, 1, max_page_size)
        if window == "all":
            read = reads.aggregate if names is None else reads.scan
            found = await read(DOWNLOAD_COUNTERS, most_downloaded(limit, names))
        else:
            found = await WindowRanking(reads, WINDOWS[window], clock() // HOUR, names).first(limit)
        counts = await download_counts(reads, (one["_id"] for one in found))
        rows = [{**row(one["model"], counts.get(one["_id"], 0)), "downloads": one["downloads"]} for one in found]
        return conditional_json(request, {"window": window, "models": rows})

    @router.get("/recent", **docs("list_recent_models", "Newest registrations and versions", [limit_parameter]))
    async def recent(request: Request) -> Response:
        parameters = await gate.enter(request, [limit_parameter])
        limit = parameters.integer("limit", default, 1, max_page_size)
        names = names_of(request)
        if names is None:
            found = await _newest(reads, limit)
        else:
            found = await reads.scan(MODELS, newest_of_names(names, limit))
        counts = await download_counts(reads, (one["model_id"] for one in found))
        rows = [_version_row(one, counts) for one in found]
        return conditional_json(request, {"models": rows})

    return router


async def _newest(reads: ReadModels, limit: int) -> list[Document]:
    """Usually they are among a few more than are wanted; else many models were deleted, or there are no more."""
    for spare in _SPARES:
        found = await reads.aggregate(VERSIONS, newest_versions(limit, limit + spare))
        if len(found) == limit:
            return found
    return await reads.scan(VERSIONS, newest_versions(limit))


_SPARES: Final = (20, 2_000)
_NEWEST_VERSIONS: Final[Stages] = (
    {"$match": {"deleted": False}},
    {"$sort": {"created_at": -1, "version_order": -1, "_id": 1}},
)
_OF_LIVE_MODELS: Final[Stages] = (
    {"$lookup": {"from": MODELS, "localField": "model_id", "foreignField": "_id", "as": "model"}},
    {"$unwind": "$model"},
    {"$match": {"model.deleted": False}},
    {"$match": {"$expr": {"$eq": ["$registration", "$model.registration"]}}},
)


def newest_versions(limit: int, among: int | None = None) -> Stages:
    """Stages over VERSIONS: each with its `model`. `among`: of so many, deleted models' included.

    Without a limit before the lookup MongoDB reads versions by the thousand before it looks up the model of the first.
    """
    few: Stages = [] if among is None else [{"$limit": among}]
    return [*_NEWEST_VERSIONS, *few, *_OF_LIVE_MODELS, {"$limit": limit}]


def newest_of_names(names: NamePrefix, limit: int) -> Stages:
    """Stages over MODELS: as `newest_versions`, from the few models that are covered to their versions."""
    same = {"$and": [{"$eq": ["$registration", "$$registration"]}, {"$eq": ["$deleted", False]}]}
    versions = {
        "from": VERSIONS,
        "localField": "_id",
        "foreignField": "model_id",
        "let": {"registration": "$registration"},
        "pipeline": [{"$match": {"$expr": same}}],
        "as": "each",
    }
    return [
        {"$match": {"facets": ALL, **named(names)}},
        {"$lookup": versions},
        {"$unwind": "$each"},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$each", {"model": {"$unsetField": _EACH_OF_ROOT}}]}}},
        {"$sort": {"created_at": -1, "version_order": -1, "_id": 1}},
        {"$limit": limit},
    ]


_EACH_OF_ROOT: Final = {"field": "each", "input": "$$ROOT"}


def _version_row(version: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """A list row about one version: what versions have of their own comes from it, the rest from its model."""
    own = {name: version[name] for name in ("version", "metrics", "created_at", "updated_at", "status", "scan")}
    shown = row({**version["model"], **own}, counts.get(version["model_id"], 0))
    return {**shown, "parent_version": version["parent_version"]}
