"""How a page of a list is asked for: which documents, in which order, and what is fetched of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.query_api.lists.filters import Filters
from services.query_api.lists.ordering import Ordering
from tensorfleet.mongo.read_models import MODELS
from tensorfleet.projection.facets import ALL

Stages = Sequence[Mapping[str, Any]]

FEW: Final = 1_000
"""So few among all models are found and sorted faster than met by going through the models in order."""
SHOWN: Final = ("name", "algorithm", "version", "metrics", "tags", "created_at", "updated_at", "status", "scan.verdict")


@dataclass(frozen=True, slots=True)
class Query:
    """Documents of `collection`: `chosen` gives those that count, for their number.

    `walked` gives the same in the order of an index, if there is one; None if that is all the same. `counted_facet` is
    the facet whose counter is their number.
    `prepared` computes what is sorted by; `finish` makes model documents of a page's rows. `bound` is what a cursor of
    it is bound to.
    """

    collection: str
    chosen: Stages
    walked: Stages | None
    ordering: Ordering
    counted_facet: str | None
    prepared: Stages
    finish: Stages
    bound: Any
    past: bool = False
    """Whether it asks for states of the past, of which only the statistics are kept."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which page: so many rows after a place, or after so many rows. `number` counts from 1."""

    limit: int
    number: int
    place: list[Any] | None

    @property
    def skipped(self) -> int:
        """Rows before the page, unless it begins at a place."""
        return (self.number - 1) * self.limit


def model_query(filters: Filters, ordering: Ordering, moment: str | None = None) -> Query:
    """`moment` tells that it is about the past, and which."""
    bound = ["models", filters.given, ordering.name, moment]
    conditions = list(filters.conditions)
    if moment is not None:
        wanted = [{"deleted": False}, *([filters.by_facets] if filters.by_facets else []), *conditions]
        return Query(
            collection=MODELS,
            chosen=[{"$match": {"$and": wanted}}],
            walked=None,
            ordering=ordering,
            counted_facet=filters.counted_facet,
            prepared=ordering.stages,
            finish=(),
            bound=bound,
            past=True,
        )
    by_facets = filters.by_facets or {"facets": ALL}
    walked = {"$match": {"$and": [by_facets, *conditions]} if conditions else by_facets}
    # Without a facet or a range, going through the collection beats going through an index of all of it.
    anywhere = (conditions or ordering.computed) and not filters.by_facets and not filters.ranged
    chosen = {"$match": {"$and": [{"deleted": False}, *conditions]}} if anywhere else walked
    return Query(
        collection=MODELS,
        chosen=[chosen],
        walked=[walked] if anywhere and not ordering.computed else None,
        ordering=ordering,
        counted_facet=filters.counted_facet,
        prepared=ordering.stages,
        finish=(),
        bound=bound,
    )


def paged(query: Query, page: Slice, total: int) -> Stages:
    """The stages that give the rows of `page`, and one more. `total`: how many rows all pages have."""
    start = query.chosen if query.walked is None or total < FEW else query.walked
    skipped = 0 if page.place is not None else page.skipped
    last = {"$limit": skipped + page.limit + 1}
    first, *others = [[*start, *query.prepared, *leg, last] for leg in query.ordering.legs(page.place)]
    stages = [*first]
    for leg in others:
        stages.append({"$unionWith": {"coll": query.collection, "pipeline": leg}})
    if skipped:
        stages.append({"$skip": skipped})
    if others:
        stages.append({"$limit": page.limit + 1})
    sorted_by = (name for name, _ in query.ordering.keys if "." not in name)
    return [*stages, *query.finish, {"$project": dict.fromkeys([*SHOWN, *sorted_by, "score"], 1)}]
