"""The history of a model's metrics: what was reported of each, and one of them as a series that can be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.gate import VERSION, ReadGate, docs, version_of
from services.query_api.lookups import live_model, live_version, live_versions
from services.query_api.metrics.downsampling import (
    POINTS_OF_SPAN,
    SUMMED_UP,
    Window,
    all_points,
    corners,
    spans,
    with_versions,
)
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.limits import MAP_KEY_CHARACTERS
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.http.times import time_text
from tensorfleet.mongo.measurements import METRIC_CHUNKS, METRIC_SERIES, metric_prefix
from tensorfleet.mongo.read_models import Document, ReadModels

MOST_POINTS: Final = 1_000
MOST_METRICS: Final = 1_000
_NAME: Final = Parameter("name", "A metric; without it, the metrics that have a history.")
_TIME: Final = {"type": "string", "format": "date-time"}
_FROM: Final = Parameter("from", "Points measured at this time or later (RFC 3339).", _TIME)
_TO: Final = Parameter("to", "Points measured at this time or earlier (RFC 3339).", _TIME)
_POINTS: Final = Parameter(
    "points",
    "Points at most. Where there are more, each of points/4 equal spans of time shows its first, lowest, highest and "
    "last.",
    {"type": "integer", "minimum": POINTS_OF_SPAN, "maximum": MOST_POINTS, "default": MOST_POINTS},
)
_ACCEPTED: Final = (_NAME, VERSION, _FROM, _TO, _POINTS)
_SUMMARY: Final = "The points of a metric over time, or the metrics that have any"
_LATEST: Final = 2**63 - 1


def metric_history_routes(gate: ReadGate, reads: ReadModels) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])

    @router.get("/{model_id}/metrics/history", **docs("get_metric_history", _SUMMARY, _ACCEPTED, 404))
    async def history(request: Request, model_id: str) -> Response:
        parameters = await gate.enter(request, _ACCEPTED)
        name, version, asked = (
            parameters.text(_NAME.name, MAP_KEY_CHARACTERS),
            version_of(parameters),
            _asked(parameters),
        )
        points = parameters.integer(_POINTS.name, MOST_POINTS, POINTS_OF_SPAN, MOST_POINTS)
        unused = next((one.name for one in (_FROM, _TO, _POINTS) if one.name in parameters), None)
        if name is None and unused is not None:
            raise InvalidCommand.of(unused, f"says something only together with {_NAME.name}")
        model = await live_model(reads, request, model_id)
        versions = await _versions(reads, model, version)
        head = {"id": model_id, "model_name": model["name"], "version": version}
        if name is None:
            return conditional_json(request, {**head, **await _metrics(reads, model_id, versions)})
        found = await _series(reads, model_id, name, versions, asked, points)
        return conditional_json(request, {**head, "name": name, **found})

    return router


def _asked(parameters: QueryParameters) -> Window:
    start, end = parameters.time(_FROM.name), parameters.time(_TO.name)
    window = Window(start or 0, _LATEST if end is None else end)
    if window.start > window.end:
        raise InvalidCommand.of(_FROM.name, f"is later than {_TO.name}")
    return window


async def _versions(reads: ReadModels, model: Document, version: str | None) -> list[str]:
    """The one asked for, or all that are not deleted."""
    if version is not None:
        return [(await live_version(reads, model, version))["version"]]
    return [one["version"] for one in await live_versions(reads, model, {"version": 1})]


async def _metrics(reads: ReadModels, model_id: str, versions: Sequence[str]) -> dict[str, Any]:
    """The first MOST_METRICS by name."""
    stages = [
        {"$match": {**_range(f"{model_id}:"), "version": {"$in": versions}}},
        {"$set": with_versions()},
        {"$group": {"_id": "$metric", **SUMMED_UP}},
        {"$facet": {"all": [{"$count": "metrics"}], "shown": [{"$sort": {"_id": 1}}, {"$limit": MOST_METRICS}]}},
    ]
    found = (await reads.aggregate(METRIC_SERIES, stages))[0]
    metrics = [
        {
            "name": one["_id"],
            "count": one["count"],
            "first": _point(one["first"]),
            "last": _point(one["last"]),
            "min": _point(one["low"]),
            "max": _point(one["high"]),
        }
        for one in found["shown"]
    ]
    total = found["all"][0]["metrics"] if found["all"] else 0
    return {"total": total, "returned": len(metrics), "metrics": metrics}


async def _series(
    reads: ReadModels, model_id: str, name: str, versions: Sequence[str], asked: Window, most: int
) -> dict[str, Any]:
    prefix = metric_prefix(model_id, name)
    having = await reads.find(
        METRIC_SERIES,
        {**_range(prefix), "version": {"$in": versions}},
        fields={"version": 1, "count": 1, "first.at": 1, "last.at": 1},
    )
    known = {one["version"] for one in having}
    shown_versions = [version for version in reversed(versions) if version in known]
    if not having:
        return {"versions": [], "total": 0, "returned": 0, "series": []}
    first, last = min(one["first"]["at"] for one in having), max(one["last"]["at"] for one in having)
    window = Window(max(asked.start, first), min(asked.end, last))
    if len(known) == 1:
        prefix = f"{prefix}{shown_versions[0]}:"
    where = {**_range(prefix), "version": {"$in": shown_versions}}
    total, shown = await _shown(reads, where, window, most, sum(one["count"] for one in having))
    return {
        "versions": shown_versions,
        "total": total,
        "returned": len(shown),
        "series": [_point(one) for one in shown],
    }


async def _shown(
    reads: ReadModels, where: Mapping[str, Any], window: Window, most: int, at_most: int
) -> tuple[int, list[Document]]:
    """How many points the window has, of the `at_most` of the whole series, and those that are shown."""
    if window.start > window.end:
        return 0, []
    if at_most > most:
        found = await reads.scan(METRIC_CHUNKS, spans(where, window, most // POINTS_OF_SPAN))
        total = sum(one["count"] for one in found)
        if total > most:
            return total, corners(found)
    every = await reads.scan(METRIC_CHUNKS, all_points(where, window, most))
    return len(every), every


def _range(prefix: str) -> dict[str, Any]:
    """The keys that begin with `prefix`, which ends with a colon; ";" is the character after it."""
    return {"_id": {"$gt": prefix, "$lt": f"{prefix[:-1]};"}}


def _point(point: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "recorded_at": time_text(point["at"]),
        "step": point["step"],
        "value": point["value"],
        "version": point["version"],
        "source": point["source"],
    }
