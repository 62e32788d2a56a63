"""Lists in the order of download counts: an index of the counters gives the order, and the models follow.

Where filters leave few models, their counters are looked up instead; else the counters are walked from the first until
the page is full, for an index can't know both a model's fields and its downloads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.query_api.ordering import DOWNLOADS, Ordering
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS, MODELS, Document, ReadModels

FEW: Final = 2_000
"""Models. To look up and sort the counters of so many takes some tens of milliseconds."""

_EVERY_LIVE_MODEL: Final = [{"$match": {"deleted": False}}]

Stages = Sequence[Mapping[str, Any]]


async def walk_serves(reads: ReadModels, stages: Stages) -> bool:
    """Whether walking the counters finds a page sooner than looking up those of all models of `stages`."""
    if list(stages) == _EVERY_LIVE_MODEL:
        return True
    return len(await reads.aggregate(MODELS, [*stages, {"$limit": FEW + 1}, {"$project": {"_id": 1}}])) > FEW


async def walked(
    reads: ReadModels, stages: Stages, ordering: Ordering, place: Sequence[Any] | None, skip: int, limit: int
) -> list[Document]:
    """A page of the models of `stages`, each with its count as `DOWNLOADS`; `place` is that of the row before it."""
    return await reads.aggregate(DOWNLOAD_COUNTERS, walk(stages, ordering, place, skip, limit))


def walk(stages: Stages, ordering: Ordering, place: Sequence[Any] | None, skip: int, limit: int) -> Stages:
    keys = tuple(("downloads" if name == DOWNLOADS else name, direction) for name, direction in ordering.keys)
    counters = Ordering(ordering.name, (), keys)
    page = [*([{"$skip": skip}] if skip else []), {"$limit": limit}]
    in_order = [_behind(counters, place), counters.sort]
    if list(stages) == _EVERY_LIVE_MODEL:
        return [*in_order, *page, *_MODELS_OF_COUNTERS]
    return [*in_order, *_MODELS_OF_COUNTERS, *stages, *page]


def _behind(ordering: Ordering, place: Sequence[Any] | None) -> Mapping[str, Any]:
    """Each branch has all that its part of the index begins with: so each becomes a range of it, and no filter."""
    if place is None:
        return {"$match": {"deleted": False}}
    branches = ordering.after(place)["$match"]["$or"]
    return {"$match": {"$or": [{"deleted": False, **branch} for branch in branches]}}


_MODELS_OF_COUNTERS: Final[Stages] = (
    {"$lookup": {"from": MODELS, "localField": "_id", "foreignField": "_id", "as": "model"}},
    {"$unwind": "$model"},
    {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$model", {DOWNLOADS: "$downloads"}]}}},
)
