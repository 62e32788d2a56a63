"""Downloads up to a moment: whole hours from the hourly counters, the hour that runs from the times in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tensorfleet.mongo.read_models import (
    DOWNLOAD_COUNTERS,
    DOWNLOAD_HOURS,
    DOWNLOAD_TIMES,
    Document,
    ReadModels,
    Stage,
)

_HOUR: Final = 3_600_000_000
_SUM: Final[Stage] = {"$group": {"_id": "$model_id", "downloads": {"$sum": "$downloads"}}}


class PastDownloads:
    """`time`: the last microsecond that counts."""

    def __init__(self, reads: ReadModels, time: int) -> None:
        self._reads = reads
        self._time = time
        self._hour = time // _HOUR

    async def counters(self, model_ids: Sequence[str]) -> list[Document]:
        """Of these models, those that had been downloaded, as `{_id, downloads}`."""
        if not model_ids:
            return []
        ranges = [{"_id": {"$gte": f"{one}:", "$lt": f"{one};"}} for one in model_ids]
        where = {"$or": ranges, "hour": {"$lt": self._hour}}
        hours = await self._reads.aggregate(DOWNLOAD_HOURS, [{"$match": where}, _SUM])
        found = {one["_id"]: one["downloads"] for one in hours}
        for one in await self._in_last_hour({"downloads.model_id": {"$in": list(model_ids)}}):
            found[one["model_id"]] = found.get(one["model_id"], 0) + one["downloads"]
        return [{"_id": model_id, "downloads": number} for model_id, number in found.items()]

    async def scan(self, collection: str, stages: Sequence[Stage]) -> list[Document]:
        """`stages` over the hourly counters, or over those per model, as they were. QueryTooBroad."""
        until: Stage = {"$match": {"hour": {"$lt": self._hour}}}
        last = {"$unionWith": {"coll": DOWNLOAD_TIMES, "pipeline": self._last_hour({})}}
        sums = [_SUM] if collection == DOWNLOAD_COUNTERS else []
        return await self._reads.scan(DOWNLOAD_HOURS, [until, last, *sums, *stages], at_one_moment=True)

    async def joined(self, stage: Stage) -> Sequence[Stage]:
        """`stage` itself; but a look-up of a model's counter finds what it was."""
        lookup = stage.get("$lookup")
        if lookup is None or lookup["from"] != DOWNLOAD_COUNTERS:
            return [stage]
        name = lookup["as"]
        last = await self._in_last_hour({})
        return [
            {
                "$lookup": {
                    "from": DOWNLOAD_HOURS,
                    "let": {"id": _MODEL_ID},
                    "pipeline": [{"$match": {**_HOURS_OF_ID, "hour": {"$lt": self._hour}}}, _SUM],
                    "as": name,
                }
            },
            {"$set": {name: [{"downloads": {"$add": [_first(name), _number_of(last)]}}]}},
        ]

    async def _in_last_hour(self, where: Mapping[str, Any]) -> list[Document]:
        return await self._reads.aggregate(DOWNLOAD_TIMES, self._last_hour(where))

    def _last_hour(self, where: Mapping[str, Any]) -> list[Stage]:
        """Stages over the pages of times that give `{model_id, hour, downloads}`, as the hourly counters are."""
        return [
            {"$match": {"hour": self._hour}},
            {"$unwind": "$downloads"},
            {"$match": {"downloads.at": {"$lte": self._time}, **where}},
            {"$group": {"_id": "$downloads.model_id", "downloads": {"$sum": 1}}},
            {"$project": {"_id": 0, "model_id": "$_id", "hour": {"$literal": self._hour}, "downloads": 1}},
        ]


_MODEL_ID: Final = {"$ifNull": ["$model_id", "$_id"]}
"""Of a state that holds or of one that is over."""
_HOURS_OF_ID: Final[Mapping[str, Any]] = {
    "$expr": {
        "$and": [{"$gte": ["$_id", {"$concat": ["$$id", ":"]}]}, {"$lt": ["$_id", {"$concat": ["$$id", ";"]}]}],
    }
}


def _first(name: str) -> Document:
    return {"$ifNull": [{"$first": f"${name}.downloads"}, 0]}


def _number_of(counts: Sequence[Document]) -> Any:
    """An expression: what `counts` has for the model at hand."""
    if not counts:
        return 0
    ids = {"$literal": [one["model_id"] for one in counts]}
    numbers = {"$literal": [one["downloads"] for one in counts] + [0]}  # at index -1: for models that are not there
    return {"$arrayElemAt": [numbers, {"$indexOfArray": [ids, _MODEL_ID]}]}
