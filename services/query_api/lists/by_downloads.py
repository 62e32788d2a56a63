"""Lists in the order of download counts: an index of the counters gives the order, and the models follow.

Where filters leave few models, their counters are looked up instead; else the counters are walked from the first until
the page is full, for an index can't know both a model's fields and its downloads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.query_api.lists.ordering import DOWNLOADS, Ordering
from services.query_api.lists.selection import Query, Slice
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS, MODELS, Document, ReadModels
from tensorfleet.projection.facets import ALL

FEW: Final = 2_000
"""Models. To look up and sort the counters of so many takes some tens of milliseconds."""

Stages = Sequence[Mapping[str, Any]]


def walk_serves(query: Query, total: int) -> bool:
    """Whether walking the counters finds a page sooner than looking up those of all `total` models of the query."""
    return query.collection == MODELS and not query.past and (_unfiltered(query) or total > FEW)


async def walked(reads: ReadModels, query: Query, page: Slice) -> list[Document]:
    """The page and one row more, each row a model with its count as `DOWNLOADS`. QueryTooBroad if filters leave few of
    those that are met."""
    return await reads.scan(DOWNLOAD_COUNTERS, walk(query, page))


def walk(query: Query, page: Slice) -> Stages:
    keys = tuple(("downloads" if name == DOWNLOADS else name, direction) for name, direction in query.ordering.keys)
    counters = Ordering(query.ordering.name, (), keys)
    skip = [{"$skip": page.skipped}] if page.place is None and page.skipped else []
    rows = [*skip, {"$limit": page.limit + 1}]
    in_order = [_behind(counters, page.place), counters.sort]
    if _unfiltered(query):
        return [*in_order, *rows, *_MODELS_OF_COUNTERS]
    return [*in_order, *_MODELS_OF_COUNTERS, *query.chosen, *rows]


def _unfiltered(query: Query) -> bool:
    return query.counted_facet == ALL


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
