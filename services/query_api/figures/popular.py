"""The most downloaded models of a window, exact at any moment.

For all time, an index of the counters has them in order. For a window that moves, the sums that are kept are upper
bounds, most of them exact (`tensorfleet/mongo/download_windows.py`): their index is walked from the highest, what is
not exact is summed anew, and the walk ends where nothing that follows can be better than what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.query_api.tenancy import named
from tensorfleet.access.principal import NamePrefix
from tensorfleet.mongo.download_windows import DOWNLOAD_WINDOWS, WINDOW_HOURS, hours_of_models, sums
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS, DOWNLOAD_HOURS, MODELS, Document, ReadModels

Stages = Sequence[Mapping[str, Any]]

MOST_STALE: Final = 3_000
"""Sums made anew in one answer. Beyond, all downloads of the window are summed, which takes longer."""

_SPARE: Final = 20
_MOST_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ranked:
    downloads: int
    name: str
    model_id: str

    @property
    def place(self) -> tuple[int, str]:
        """Orders them: most downloads first, then by name."""
        return -self.downloads, self.name


def most_downloaded(limit: int, names: NamePrefix | None = None) -> Stages:
    """Stages over DOWNLOAD_COUNTERS: of all time, each with its `model`; with `names`, of those covered."""
    return [
        {"$match": {"deleted": False, "downloads": {"$gt": 0}, **_only(names)}},
        {"$sort": {"downloads": -1, "name": 1}},
        {"$limit": limit},
        {"$lookup": {"from": MODELS, "localField": "_id", "foreignField": "_id", "as": "model"}},
        {"$unwind": "$model"},
        {"$match": {"model.deleted": False}},
        {"$project": {"model": 1, "downloads": 1}},
    ]


def _only(names: NamePrefix | None, field: str = "name") -> Mapping[str, Any]:
    return {} if names is None else named(names, field)


def candidates(window: str, after: Document | None, limit: int, names: NamePrefix | None = None) -> Stages:
    """Stages over DOWNLOAD_WINDOWS: by their upper bounds, those behind `after`."""
    where: Mapping[str, Any] = {"deleted": False, window: {"$gt": 0}}
    if after is not None:
        highest = after[window]
        fewer = {"deleted": False, window: {"$gt": 0, "$lt": highest}}
        where = {"$or": [fewer, {"deleted": False, window: {"$eq": highest}, "name": {"$gt": after["name"]}}]}
    if names is not None:
        where = {"$and": [where, named(names)]}
    order = {"$sort": {window: -1, "name": 1}}
    shown = {"$project": {window: 1, "name": 1, "exact_until": 1}}
    return [{"$match": where}, order, {"$limit": limit}, shown]


class WindowRanking:
    """`window` is one of WINDOW_HOURS, `hour` the one that runs. `names`: only models that it covers."""

    def __init__(self, reads: ReadModels, window: str, hour: int, names: NamePrefix | None = None) -> None:
        self._reads = reads
        self._window = window
        self._hour = hour
        self._names = names

    async def first(self, limit: int) -> list[Document]:
        """At most `limit` live models as `model`, each with its `downloads`."""
        wanted = limit
        while True:
            ranked = await self._ranked(wanted)
            models = await self._models(ranked)
            if len(models) >= limit or len(ranked) < wanted:
                return models[:limit]
            wanted += max(_SPARE, wanted)  # models that were deleted a moment ago took the others' places

    async def _ranked(self, wanted: int) -> list[Ranked]:
        best: dict[str, Ranked] = {}
        after, stale, size = None, 0, wanted + _SPARE
        while True:
            found = await self._reads.aggregate(DOWNLOAD_WINDOWS, candidates(self._window, after, size, self._names))
            old = [one["_id"] for one in found if one["exact_until"] <= self._hour]
            stale += len(old)
            if stale > MOST_STALE:
                return await self._summed(wanted)
            anew = await self._anew(old)
            for one in found:
                key: str = one["_id"]
                downloads: int = anew[key] if key in anew else one[self._window]
                best[key] = Ranked(downloads, one["name"], key)
            leading = sorted((one for one in best.values() if one.downloads), key=lambda one: one.place)[:wanted]
            if len(found) < size:
                return leading
            after, size = found[-1], min(2 * size, _MOST_AT_ONCE)
            if len(leading) == wanted and leading[-1].place <= (-after[self._window], after["name"]):
                return leading

    async def _anew(self, model_ids: list[str]) -> dict[str, int]:
        if not model_ids:
            return {}
        found = await self._reads.aggregate(DOWNLOAD_WINDOWS, hours_of_models(model_ids, self._hour))
        return {one["_id"]: sums(one["hours"], self._hour)[self._window] for one in found}

    async def _summed(self, wanted: int) -> list[Ranked]:
        """From all hours of the window; names only for those that share the last place or are before it."""
        since = self._hour - WINDOW_HOURS[self._window]
        stages: list[Mapping[str, Any]] = [
            {"$match": {"hour": {"$gt": since}}},
            {"$group": {"_id": "$model_id", "downloads": {"$sum": "$downloads"}}},
        ]
        if self._names is not None:
            stages += [_COUNTER, {"$match": named(self._names, "counter.name")}]
        lasts: Stages = [{"$sort": {"downloads": -1}}, {"$skip": wanted - 1}, {"$limit": 1}]
        last = await self._reads.scan(DOWNLOAD_HOURS, [*stages, *lasts])
        least = last[0]["downloads"] if last else 1
        ranked: Stages = [
            {"$match": {"downloads": {"$gte": least}}},
            _COUNTER,
            {"$unwind": "$counter"},
            {"$project": {"downloads": 1, "name": "$counter.name"}},
            {"$sort": {"downloads": -1, "name": 1}},
            {"$limit": wanted},
        ]
        found = await self._reads.scan(DOWNLOAD_HOURS, [*stages, *ranked])
        return [Ranked(one["downloads"], one["name"], one["_id"]) for one in found]

    async def _models(self, ranked: Sequence[Ranked]) -> list[Document]:
        ids = [one.model_id for one in ranked]
        models = {one["_id"]: one for one in await self._reads.find(MODELS, {"_id": {"$in": ids}, "deleted": False})}
        return [
            {"_id": one.model_id, "downloads": one.downloads, "model": models[one.model_id]}
            for one in ranked
            if one.model_id in models
        ]


_COUNTER: Final[Mapping[str, Any]] = {
    "$lookup": {"from": DOWNLOAD_COUNTERS, "localField": "_id", "foreignField": "_id", "as": "counter"}
}
