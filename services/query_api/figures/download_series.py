"""The downloads of one model over time, by hour or by day."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.gate import ReadGate, docs
from services.query_api.lookups import live_model
from services.query_api.ports import Clock
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter
from tensorfleet.http.times import time_text
from tensorfleet.mongo.read_models import DOWNLOAD_HOURS, ReadModels

HOUR: Final = 3_600_000_000
HOURS: Final = {"24h": 24, "7d": 7 * 24, "30d": 30 * 24}
BUCKETS: Final = {"hour": 1, "day": 24}
MOST_BUCKETS: Final = 5_000
"""Seven months of hours, or thirteen years of days."""

WINDOW: Final = Parameter(
    "window",
    "Which downloads; the hour that runs is the last of a window. `all` begins with the first download.",
    {"type": "string", "enum": [*HOURS, "all"], "default": "30d"},
)
BUCKET: Final = Parameter(
    "bucket",
    f"What one entry counts; days are those of UTC. A series of more than {MOST_BUCKETS} entries is refused.",
    {"type": "string", "enum": list(BUCKETS), "default": "day"},
)


def download_series_routes(gate: ReadGate, reads: ReadModels, clock: Clock) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    accepted = (WINDOW, BUCKET)

    @router.get("/{model_id}/downloads", **docs("get_downloads", "Downloads of a model over time", accepted, 404))
    async def downloads(request: Request, model_id: str) -> Response:
        parameters = await gate.enter(request, accepted)
        window = parameters.choice(WINDOW.name, [*HOURS, "all"]) or "30d"
        bucket = parameters.choice(BUCKET.name, list(BUCKETS)) or "day"
        model = await live_model(reads, request, model_id)
        now = clock() // HOUR
        found = await _hours(reads, model_id, now - HOURS[window] if window in HOURS else None, now)
        first = now - HOURS[window] + 1 if window in HOURS else min(found, default=now)
        members = {
            "id": model_id,
            "name": model["name"],
            "window": window,
            "bucket": bucket,
            "total": found.total(),
            "series": _series(found, first, now, bucket),
        }
        return conditional_json(request, members)

    return router


async def _hours(reads: ReadModels, model_id: str, after: int | None, last: int) -> Counter[int]:
    """Downloads by hour since 1970, of the hours after `after` up to `last`."""
    # `_id` is "<model>:<hour>", and ";" is the character after ":". An hour has six digits from 1981 to 2084.
    start = f"{model_id}:" if after is None else f"{model_id}:{after + 1}"
    hours: dict[str, Any] = {"$lte": last} if after is None else {"$gt": after, "$lte": last}
    where = {"_id": {"$gte": start, "$lt": f"{model_id};"}, "hour": hours}
    found = await reads.find(DOWNLOAD_HOURS, where, fields={"_id": 0, "hour": 1, "downloads": 1})
    return Counter({one["hour"]: one["downloads"] for one in found})


def _series(found: Counter[int], first: int, last: int, bucket: str) -> list[dict[str, Any]]:
    """Every bucket from that of hour `first` to that of `last`. InvalidCommand if there are too many."""
    length = BUCKETS[bucket]
    number = last // length - first // length + 1
    if number > MOST_BUCKETS:
        shorter = "ask for bucket=day, or for a shorter window" if bucket == "hour" else "ask for a shorter window"
        raise InvalidCommand.of(BUCKET.name, f"gives {number} entries; at most {MOST_BUCKETS} are allowed: {shorter}")
    counted: Counter[int] = Counter()
    for hour, downloads in found.items():
        counted[hour // length] += downloads
    starts = range(first // length, last // length + 1)
    return [{"start": time_text(one * length * HOUR), "downloads": counted[one]} for one in starts]
