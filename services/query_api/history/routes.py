"""The audit trail: every event of one model, oldest first, and those of all models. A deleted model keeps its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.cursors import CURSOR, Cursors
from services.query_api.gate import ReadGate, docs
from services.query_api.tenancy import known_model, names_of, refuse_limited
from tensorfleet.domain import limits
from tensorfleet.domain.errors import InvalidCommand
from tensorfleet.domain.events import Event
from tensorfleet.domain.names import MODEL_ID
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.http.times import time_text
from tensorfleet.mongo.read_models import HISTORY, Document, ReadModels, Stage

DEFAULT_LIMIT: Final = 50
TYPES: Final = tuple(one.__name__ for one in get_args(Event))
_TIME: Final = {"type": "string", "format": "date-time"}
AUDIT_FILTERS: Final = (
    Parameter("actor", "Exactly this actor."),
    Parameter("type", "The type of event.", {"type": "string", "enum": list(TYPES)}),
    Parameter("model_id", "Events of this model, deleted or not.", {"type": "string", "pattern": MODEL_ID.pattern}),
    Parameter("from", "Not before this RFC 3339 time.", _TIME),
    Parameter("to", "Before this RFC 3339 time.", _TIME),
    Parameter("order", "desc: newest first.", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}),
)
_KEYS: Final = ("occurred_at", "partition", "offset")
"""The order of the audit. Only within a partition is it that of the log: partitions have no common one but time."""


def history_routes(gate: ReadGate, reads: ReadModels, cursors: Cursors, max_page_size: int) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["history"])
    default = min(DEFAULT_LIMIT, max_page_size)
    limit_schema = {"type": "integer", "minimum": 1, "maximum": max_page_size, "default": default}
    paging = (Parameter("limit", "Events on a page.", limit_schema), CURSOR)

    @router.get(
        "/models/{model_id}/history", **docs("get_history", "Every event of a model, oldest first", paging, 404)
    )
    async def history(request: Request, model_id: str) -> Response:
        parameters = await gate.enter(request, paging)
        model = await known_model(reads, request, model_id)
        limit = parameters.integer("limit", default, 1, max_page_size)
        place = cursors.place(parameters, ["history", model_id])
        where = {"_id": history_range(model_id, place[0] if place else 0)}
        events = await reads.find(HISTORY, where, sort=[("_id", 1)], limit=limit + 1, fields={"counted": 0})
        more, events = len(events) > limit, events[:limit]
        members = {
            "id": model_id,
            "name": model["name"],
            "deleted": model["deleted"],
            "events": [_members(event) for event in events],
            "pagination": {
                "limit": limit,
                "total": model["sequence"],
                "next_cursor": cursors.issue(["history", model_id], [events[-1]["sequence"]]) if more else None,
            },
        }
        return conditional_json(request, members)

    accepted = (*AUDIT_FILTERS, *paging)

    @router.get("/audit", **docs("list_audit", "Events of all models, newest first", accepted, 404))
    async def audit(request: Request) -> Response:
        parameters = await gate.enter(request, accepted)
        where, given = _audited(parameters)
        if given["model_id"] is None:
            refuse_limited(request, "The audit of all models can't be told apart by name; ask with model_id")
        elif names_of(request) is not None:
            await known_model(reads, request, given["model_id"])
        direction = {"asc": 1, "desc": -1, None: -1}[parameters.choice("order", ("asc", "desc"))]
        limit = parameters.integer("limit", default, 1, max_page_size)
        bound = ["audit", given, direction]
        # Within one model the ids have the order of time, and lead to its events alone.
        keys = _KEYS if given["model_id"] is None else ("_id",)
        place = cursors.place(parameters, bound)
        if place is not None:
            where = {"$and": [where, _after(keys, place, direction)]}
        newest: list[Stage] = [{"$match": where}, {"$sort": dict.fromkeys(keys, direction)}, {"$limit": limit + 1}]
        events = await reads.scan(HISTORY, [*newest, {"$project": {"counted": 0}}])
        more, events = len(events) > limit, events[:limit]
        last = [events[-1][name] for name in keys] if more else []
        members = {
            "events": [{"model_id": event["model_id"], **_members(event)} for event in events],
            "pagination": {"limit": limit, "next_cursor": cursors.issue(bound, last) if more else None},
        }
        return conditional_json(request, members)

    return router


def history_range(model_id: str, after: int = 0) -> dict[str, str]:
    """The `_id`s of a model's events after a sequence: 12 digits sort as the numbers do, and ";" follows ":"."""
    return {"$gt": f"{model_id}:{after:012d}", "$lt": f"{model_id};"}


def _audited(parameters: QueryParameters) -> tuple[dict[str, Any], dict[str, Any]]:
    """The filter, and what was given, for the binding of cursors."""
    given: dict[str, Any] = {
        "actor": parameters.text("actor", limits.CREATED_BY_CHARACTERS),
        "type": parameters.choice("type", TYPES),
        "model_id": parameters.text("model_id"),
        "from": parameters.time("from"),
        "to": parameters.time("to"),
    }
    where: dict[str, Any] = {}
    if given["type"] is not None:
        where["type"] = {"$eq": given["type"]}
    elif given["model_id"] is None:
        where["type"] = {"$in": list(TYPES)}  # by name: then the indexes by type serve as ones by time
    if given["actor"] is not None:
        where["actor"] = {"$eq": given["actor"]}
    if given["model_id"] is not None:
        if MODEL_ID.fullmatch(given["model_id"]) is None:
            raise InvalidCommand.of("model_id", "is not the id of a model")
        where["_id"] = history_range(given["model_id"])
    times = {operator: given[name] for operator, name in (("$gte", "from"), ("$lt", "to")) if given[name] is not None}
    if times:
        where["occurred_at"] = times
    return where, given


def _after(keys: Sequence[str], place: Sequence[Any], direction: int) -> dict[str, Any]:
    """Events behind `place`. The first bound says the same more coarsely, in the way that an index can start from."""
    operator = "$gt" if direction > 0 else "$lt"
    branches = [
        {**dict(zip(keys[:number], place, strict=False)), name: {operator: place[number]}}
        for number, name in enumerate(keys)
    ]
    return {keys[0]: {f"{operator}e": place[0]}, "$or": branches}


def _members(event: Mapping[str, Any]) -> Document:
    changes = event.get("changes", [])  # an entry made before changes were kept has none until a rebuild
    return {
        "sequence": event["sequence"],
        "type": event["type"],
        "actor": event["actor"],
        "time": time_text(event["occurred_at"]),
        "version": event["version"],
        "changed": [one["field"] for one in changes],
        "changes": changes,
        "position": f"{event['partition']}:{event['offset']}",
        "hash": event["hash"],
        "event_id": event["event_id"],
    }
