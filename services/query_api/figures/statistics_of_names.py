"""The figures of the models that a limited key sees. No counters are kept of them: they are summed when asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.query_api.tenancy import named
from tensorfleet.access.principal import NamePrefix
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS, DOWNLOAD_HOURS, MODELS, Document, ReadModels
from tensorfleet.projection.facets import ALL

_ROWS: Final = {"algorithm": 1, "status": 1, "total_size_bytes": 1, "file_count": 1, "_id": 0}
Stages = Sequence[Mapping[str, Any]]


class FiguresOfNames:
    """Every method raises QueryTooBroad if there are too many models to look at."""

    def __init__(self, reads: ReadModels, names: NamePrefix) -> None:
        self._reads = reads
        self._names = names

    async def live(self) -> list[Document]:
        """Of each model that is not deleted: `algorithm`, `status`, `total_size_bytes`, `file_count`."""
        return await self._reads.scan(MODELS, [self._models(), {"$project": _ROWS}])

    async def added_since(self, since: int) -> int:
        """Models registered at `since` or later, in microseconds since 1970, that are not deleted."""
        recent = {"$match": {"created_at": {"$gte": since}}}
        return await self._number(MODELS, [self._models(), recent, {"$group": {"_id": None, "number": {"$sum": 1}}}])

    async def downloads_after(self, hour: int | None) -> int:
        """Those of all hours after `hour`, also of models that were deleted since; None: of all time."""
        summed = {"$group": {"_id": None, "number": {"$sum": "$downloads"}}}
        if hour is None:
            return await self._number(DOWNLOAD_COUNTERS, [{"$match": named(self._names)}, summed])
        of_names: Stages = [
            {"$match": {"hour": {"$gt": hour}}},
            {"$group": {"_id": "$model_id", "downloads": {"$sum": "$downloads"}}},
            {"$lookup": {"from": DOWNLOAD_COUNTERS, "localField": "_id", "foreignField": "_id", "as": "counter"}},
            {"$match": named(self._names, "counter.name")},
        ]
        return await self._number(DOWNLOAD_HOURS, [*of_names, summed])

    def _models(self) -> Mapping[str, Any]:
        return {"$match": {"facets": ALL, **named(self._names)}}

    async def _number(self, collection: str, stages: Stages) -> int:
        found = await self._reads.scan(collection, stages)
        return int(found[0]["number"]) if found else 0
