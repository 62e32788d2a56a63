"""The audit trail of one model: every event of its stream, oldest first. A deleted model keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.cursors import CURSOR, Cursors
from services.query_api.gate import ReadGate, checked_id, docs
from services.query_api.rendering import time_text
from tensorfleet.domain.errors import ModelNotFound
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter
from tensorfleet.mongo.read_models import HISTORY, MODELS, ReadModels

DEFAULT_LIMIT: Final = 50


def history_routes(gate: ReadGate, reads: ReadModels, cursors: Cursors, max_page_size: int) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])
    default = min(DEFAULT_LIMIT, max_page_size)
    limit_schema = {"type": "integer", "minimum": 1, "maximum": max_page_size, "default": default}
    accepted = (Parameter("limit", "Events on a page.", limit_schema), CURSOR)

    @router.get("/{model_id}/history", **docs("get_history", "Every event of a model, oldest first", accepted, 404))
    async def history(request: Request, model_id: str) -> Response:
        parameters = await gate.enter(request, accepted)
        model = await reads.one(MODELS, checked_id(model_id))
        if model is None:
            raise ModelNotFound(model_id)
        limit = parameters.integer("limit", default, 1, max_page_size)
        place = cursors.place(parameters, ["history", model_id])
        after = place[0] if place else 0
        # 12 digits sort as the numbers do; ";" is the character after ":", so this is one range of `_id`.
        where = {"_id": {"$gt": f"{model_id}:{after:012d}", "$lt": f"{model_id};"}}
        events = await reads.find(HISTORY, where, sort=[("_id", 1)], limit=limit + 1)
        more, events = len(events) > limit, events[:limit]
        last = [events[-1]["sequence"]] if events else []
        members = {
            "id": model_id,
            "name": model["name"],
            "events": [_members(event) for event in events],
            "pagination": {
                "limit": limit,
                "total": model["sequence"],
                "next_cursor": cursors.issue(["history", model_id], last) if more else None,
            },
        }
        return conditional_json(request, members)

    return router


def _members(event: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sequence": event["sequence"],
        "type": event["type"],
        "actor": event["actor"],
        "time": time_text(event["occurred_at"]),
        "version": event["version"],
        "changed": event["changed"],
        "position": f"{event['partition']}:{event['offset']}",
        "hash": event["hash"],
        "event_id": event["event_id"],
    }
