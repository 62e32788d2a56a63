"""Lists of models: all of them, and those that a full-text search finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.as_of import AS_OF, Views
from services.query_api.cursors import CURSOR, Cursors
from services.query_api.filters import FILTERS, filters_of
from services.query_api.gate import ReadGate, docs
from services.query_api.lookups import download_counts
from services.query_api.ordering import ORDER, SORT, Ordering, ordering_of
from services.query_api.rendering import row
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import MOST_TEXT, Parameter, QueryParameters
from tensorfleet.mongo.read_models import MODELS, SEARCH, Document, ReadModels

DEFAULT_LIMIT: Final = 20
MOST_ROWS: Final = 2**31 - 1
Q: Final = Parameter("q", "Words to find in name, tags, algorithm, data set and description.", required=True)

Stages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Query:
    """`stages` give the model documents, from `collection`; `bound` is what a cursor of it is bound to."""

    collection: str
    stages: Stages
    ordering: Ordering
    bound: Any


@dataclass(frozen=True, slots=True)
class Slice:
    """Which page: so many rows after a place, or after so many rows. `number` counts from 1."""

    limit: int
    number: int
    place: list[Any] | None


class Lists:
    def __init__(self, cursors: Cursors, max_page_size: int) -> None:
        self._cursors = cursors
        self._most = max_page_size

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
        page = self._slice(parameters, query)
        rows = await reads.aggregate(query.collection, _paged(query, page))
        counted = await reads.aggregate(query.collection, [*query.stages, {"$count": "total"}])
        total = counted[0]["total"] if counted else 0
        more, rows = len(rows) > page.limit, rows[: page.limit]
        counts = await download_counts(reads, (one["_id"] for one in rows))
        return {
            "models": [_scored(one, row(one, counts.get(one["_id"], 0))) for one in rows],
            "pagination": {
                "page": page.number,
                "limit": page.limit,
                "total": total,
                "pages": -(-total // page.limit),
                "next_cursor": self._next(query, page, rows) if more else None,
            },
        }

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
        filters, ordering = filters_of(parameters), ordering_of(parameters)
        bound = ["models", filters.given, ordering.name, view.name]
        stages = [{"$match": filters.where}]
        answer = await lists.answer(view.reads, parameters, Query(MODELS, stages, ordering, bound))
        return conditional_json(request, answer)

    @router.get("/search", **docs("search_models", "Find models by words, best match first", (Q, *accepted)))
    async def search_models(request: Request) -> Response:
        parameters = await gate.enter(request, (Q, *accepted))
        words = parameters.text(Q.name, MOST_TEXT)
        if words is None:
            raise InvalidCommand.of(Q.name, "is missing")
        filters, ordering = filters_of(parameters), ordering_of(parameters, by_score=True)
        bound = ["search", words, filters.given, ordering.name]
        stages = [*_found(words), {"$match": filters.where}]
        answer = await lists.answer(reads, parameters, Query(SEARCH, stages, ordering, bound))
        return conditional_json(request, answer)

    return router


def _paged(query: Query, page: Slice) -> Stages:
    ordering = query.ordering
    stages = [*query.stages, *ordering.stages]
    if page.place is not None:
        stages.append(ordering.after(page.place))
    stages.append(ordering.sort)
    if page.place is None and page.number > 1:
        stages.append({"$skip": (page.number - 1) * page.limit})
    return [*stages, {"$limit": page.limit + 1}]


def _found(words: str) -> Stages:
    """The models whose search document matches, each with its `score`."""
    return [
        {"$match": {"$text": {"$search": words}}},
        {"$project": {"score": {"$meta": "textScore"}}},
        {"$lookup": {"from": MODELS, "localField": "_id", "foreignField": "_id", "as": "model"}},
        {"$match": {"model": {"$ne": []}}},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": [{"$first": "$model"}, {"score": "$score"}]}}},
    ]


def _scored(document: Document, members: dict[str, Any]) -> dict[str, Any]:
    return {**members, "score": document["score"]} if "score" in document else members
