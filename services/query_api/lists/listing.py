"""Lists of models: all of them, and those that a search finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.as_of import AS_OF, Views
from services.query_api.cursors import CURSOR, Cursors
from services.query_api.gate import ReadGate, docs
from services.query_api.lists import by_downloads
from services.query_api.lists.filters import FILTERS, filters_of
from services.query_api.lists.ordering import DOWNLOADS, ORDER, SORT, ordering_of
from services.query_api.lists.searching import Q, search_query, words_asked
from services.query_api.lists.selection import Query, Slice, model_query, paged
from services.query_api.lookups import download_counts
from services.query_api.rendering import row
from services.query_api.tenancy import names_of
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.mongo.read_models import FACET_COUNTS, STATISTICS, Document, ReadModels
from tensorfleet.projection.facets import ALL, count_id

DEFAULT_LIMIT: Final = 20
MOST_ROWS: Final = 2**31 - 1


class Lists:
    def __init__(self, cursors: Cursors, max_page_size: int, partitions: int) -> None:
        self._cursors = cursors
        self._most = max_page_size
        self._partitions = partitions

    def parameters(self) -> tuple[Parameter, ...]:
        limit = {"type": "integer", "minimum": 1, "maximum": self._most, "default": min(DEFAULT_LIMIT, self._most)}
        return (
            Parameter("page", "Counts from 1.", {"type": "integer", "minimum": 1, "default": 1}),
            Parameter("limit", "Rows on a page.", limit),
            CURSOR,
            *FILTERS,
            SORT,
            ORDER,
        )

    async def answer(self, reads: ReadModels, parameters: QueryParameters, query: Query) -> dict[str, Any]:
        """QueryTooBroad if no index helps with it, and there are too many models to look through all."""
        page = self._slice(parameters, query)
        total = await self._total(reads, query)
        rows = await self._rows(reads, query, page, total)
        more, rows = len(rows) > page.limit, rows[: page.limit]
        counts = await download_counts(reads, (one["_id"] for one in rows))
        return {
            "models": [_scored(one, row(one, one.get(DOWNLOADS, counts.get(one["_id"], 0)))) for one in rows],
            "pagination": {
                "page": page.number,
                "limit": page.limit,
                "total": total,
                "pages": -(-total // page.limit),
                "next_cursor": self._next(query, page, rows) if more else None,
            },
        }

    async def _total(self, reads: ReadModels, query: Query) -> int:
        """From the counters that the projection keeps where there is one, else counted."""
        if query.past and query.counted_facet == ALL:
            return sum(one["models"] for one in await reads.find(STATISTICS, {}))
        if query.counted_facet is not None and not query.past:
            ids = [count_id(partition, query.counted_facet) for partition in range(self._partitions)]
            return sum(one["models"] for one in await reads.find(FACET_COUNTS, {"_id": {"$in": ids}}))
        counted = await reads.scan(query.collection, [*query.chosen, {"$count": "total"}])
        return int(counted[0]["total"]) if counted else 0

    async def _rows(self, reads: ReadModels, query: Query, page: Slice, total: int) -> list[Document]:
        """One more than the page has, if there are more."""
        if page.skipped >= total and page.place is None:
            return []
        if query.ordering.keys[0][0] == DOWNLOADS and by_downloads.walk_serves(query, total):
            return await by_downloads.walked(reads, query, page)
        return await reads.scan(query.collection, paged(query, page, total))

    def _slice(self, parameters: QueryParameters, query: Query) -> Slice:
        limit = parameters.integer("limit", min(DEFAULT_LIMIT, self._most), 1, self._most)
        place = self._cursors.place(parameters, query.bound)
        if place is not None:
            if "page" in parameters:
                raise InvalidCommand.of("page", "can't be given together with a cursor")
            number, *keys = place
            return Slice(limit, number, keys)
        return Slice(limit, parameters.integer("page", 1, 1, MOST_ROWS // limit), None)

    def _next(self, query: Query, page: Slice, rows: Sequence[Document]) -> str:
        return self._cursors.issue(query.bound, [page.number + 1, *query.ordering.place(rows[-1])])


def list_routes(gate: ReadGate, reads: ReadModels, views: Views, lists: Lists) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    accepted = lists.parameters()

    @router.get("", **docs("list_models", "List models, newest first", (*accepted, AS_OF)))
    async def list_models(request: Request) -> Response:
        parameters = await gate.enter(request, (*accepted, AS_OF))
        view = await views.of(parameters)
        filters, ordering = filters_of(parameters, names_of(request)), ordering_of(parameters, of_past=view.past)
        query = model_query(filters, ordering, view.name)
        return conditional_json(request, await lists.answer(view.reads, parameters, query))

    @router.get("/search", **docs("search_models", "Find models by words, best match first", (Q, *accepted)))
    async def search_models(request: Request) -> Response:
        parameters = await gate.enter(request, (Q, *accepted))
        words = words_asked(parameters)
        query = search_query(words, filters_of(parameters, names_of(request)), ordering_of(parameters, by_score=True))
        return conditional_json(request, await lists.answer(reads, parameters, query))

    return router


def _scored(document: Document, members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "score": document["score"]} if "score" in document else members
