"""Who was refused what, for admins."""

from __future__ import annotations

from typing import Any, Final, Protocol

from fastapi import APIRouter, Request
from starlette.responses import Response

from tensorfleet.access.audit import AccessRecord
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.openapi.operations import problems
from tensorfleet.http.query_parameters import Parameter, QueryParameters
from tensorfleet.http.times import time_text

KIND: Final = Parameter(
    "kind",
    "`denied`: what was refused; `used`: what was changed with a key.",
    {"type": "string", "enum": ["denied", "used"], "default": "denied"},
)
BEFORE: Final = Parameter("before", "`next` of the page before.", {"type": "integer", "minimum": 0})
_MOST_OFFSET: Final = 2**62


Found = tuple[str, AccessRecord]
"""A record's id, and the record."""


class AccessReads(Protocol):
    async def before(self, end: int | None) -> tuple[list[Found], int]:
        """Some records before an offset, or the newest, newest first; and the offset before which more may be, or 0.

        LogUnavailable.
        """
        raise NotImplementedError


def denial_routes(reads: AccessReads) -> APIRouter:
    router = APIRouter(prefix="/api/v1/audit", tags=["access"])
    accepted = (KIND, BEFORE)
    extra = {"parameters": [one.documentation for one in accepted]}

    @router.get(
        "/denials",
        operation_id="list_denials",
        summary="Who was refused what, newest first",
        openapi_extra=extra,
        responses=problems(400, 422, 503),
    )
    async def denials(request: Request) -> Response:
        parameters = QueryParameters.of(request, accepted)
        kind = parameters.choice(KIND.name, ("denied", "used")) or "denied"
        end = parameters.integer(BEFORE.name, -1, 0, _MOST_OFFSET)
        found, next_before = await reads.before(None if end < 0 else end)
        records = [_members(record_id, one) for record_id, one in found if one.access.kind == kind]
        members = {"records": records, "next": next_before or None}
        return conditional_json(request, members)

    return router


def _members(record_id: str, record: AccessRecord) -> dict[str, Any]:
    one = record.access
    return {
        "id": record_id,
        "kind": one.kind,
        "actor": one.actor,
        "key_id": one.key_id,
        "method": one.method,
        "route": one.route,
        "address": one.address,
        "reason": one.reason or None,
        "status": one.status,
        "first_at": time_text(record.first_at),
        "last_at": time_text(record.last_at),
        "count": record.count,
    }
