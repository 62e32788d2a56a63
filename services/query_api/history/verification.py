"""Whether a model's events, as Kafka holds them, are what the registry says of it; and if not, from which on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.cursors import CURSOR, Cursors
from services.query_api.gate import ReadGate, docs
from services.query_api.history.routes import history_range
from services.query_api.ports import FoundRecords, Records
from services.query_api.tenancy import known_model
from tensorfleet.audit.stream import START, Link, Problem, StreamCheck
from tensorfleet.events.codec import Codec
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import Parameter
from tensorfleet.mongo.cut import Cut
from tensorfleet.mongo.past import PastReadModels
from tensorfleet.mongo.read_models import HISTORY, PARKED, VERSIONS, Document, ReadModels

MOST_RECORDS: Final = 1_000
MOST_SECONDS: Final = 4.0
MOST_AT_ONCE: Final = 2

LIMIT: Final = Parameter(
    "limit",
    "Records to check at most; where more are left, next_cursor leads on.",
    {"type": "integer", "minimum": 1, "maximum": MOST_RECORDS, "default": MOST_RECORDS},
)


class Verification:
    """At most MOST_AT_ONCE run together, for MOST_SECONDS each; more of them wait."""

    def __init__(self, reads: ReadModels, records: Records, codec: Codec, partitions: int) -> None:
        self._reads = reads
        self._records = records
        self._codec = codec
        self._partitions = partitions
        self._turn = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self, model: Document, start: Link, limit: int) -> tuple[Link, bool, Problem | None]:
        """How far the stream is right, whether that is all of it, and what is wrong after that, if anything is."""
        # The model tells how far: what has happened since it was read is left out.
        where = {"_id": history_range(model["_id"], start.sequence), "sequence": {"$lte": model["sequence"]}}
        entries = await self._reads.find(HISTORY, where, sort=[("_id", 1)], limit=limit + 1, fields={"changes": 0})
        versions = await self._versions(model)
        async with self._turn:
            offsets = [entry["offset"] for entry in entries[:limit]]
            ascending = sorted(set(offsets))
            found = await asyncio.to_thread(self._records.find, model["partition"], ascending, MOST_SECONDS)
            check = StreamCheck(self._codec, model["_id"], model["partition"], start)
            seen = [entry for entry in entries[:limit] if entry["offset"] < found.looked_until]
            problem = await asyncio.to_thread(_first_problem, check, seen, found)
        complete = len(seen) == len(entries)
        if complete and problem is None:
            problem = check.finish(model, versions) or await self._parked(model)
        return check.last, complete, problem

    async def _versions(self, model: Document) -> list[Document]:
        cut = Cut({model["partition"]: model["offset"]}, self._partitions, 0)
        return await PastReadModels(self._reads, cut).find(VERSIONS, {"model_id": model["_id"]})

    async def _parked(self, model: Document) -> Problem | None:
        parked = await self._reads.one(PARKED, model["_id"])
        if parked is None:
            return None
        position = f"{parked['partition']}:{parked['offset']}"
        return Problem(model["sequence"] + 1, position, "parked", None, parked["reason"])


def verification_routes(
    gate: ReadGate, reads: ReadModels, records: Records, cursors: Cursors, codec: Codec, partitions: int
) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["history"])
    verification = Verification(reads, records, codec, partitions)
    accepted = (LIMIT, CURSOR)
    summary = "Check a model's events in Kafka against the registry"

    @router.get("/{model_id}/verify", **docs("verify_model", summary, accepted, 404))
    async def verify(request: Request, model_id: str) -> Response:
        parameters = await gate.enter(request, accepted)
        model = await known_model(reads, request, model_id)
        limit = parameters.integer("limit", MOST_RECORDS, 1, MOST_RECORDS)
        place = cursors.place(parameters, ["verify", model_id])
        start = START if place is None else Link(*place)
        last, complete, problem = await verification.run(model, start, limit)
        unfinished = not complete and problem is None
        members: dict[str, Any] = {
            "id": model_id,
            "verified": complete and problem is None,
            "complete": complete,
            "records": last.sequence,
            "total": model["sequence"],
            "first_problem": None if problem is None else asdict(problem),
            "next_cursor": cursors.issue(["verify", model_id], [last.sequence, last.hash]) if unfinished else None,
        }
        return conditional_json(request, members)

    return router


def _first_problem(check: StreamCheck, entries: Sequence[Document], found: FoundRecords) -> Problem | None:
    for entry in entries:
        offset = entry["offset"]
        problem = check.add(entry, found.values.get(offset), offset in found.values)
        if problem is not None:
            return problem
    return None
