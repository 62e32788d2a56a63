"""What every read passes first: its parameters are checked, then the position that it names is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request

from services.query_api.ports import PositionWaiter
from tensorfleet.domain.errors import InvalidCommand, ModelNotFound, PositionNotReached
from tensorfleet.domain.names import MODEL_ID
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.events.envelope import Position
from tensorfleet.http.openapi.operations import problems
from tensorfleet.http.query_parameters import Parameter, QueryParameters

MIN_POSITION: Final = "X-Registry-Min-Position"
MOST_POSITIONS: Final = 64

VERSION: Final = Parameter("version", "A version like v1.0; without it: the newest.", {"type": "string"})


class ReadGate:
    def __init__(self, waiter: PositionWaiter, wait_seconds: float, partitions: int) -> None:
        self._partitions = partitions
        self._waiter = waiter
        self._wait_seconds = wait_seconds

    async def enter(self, request: Request, accepted: Sequence[Parameter] = ()) -> QueryParameters:
        """InvalidCommand or Malformed for bad parameters; PositionNotReached if the projection is too far behind."""
        parameters = QueryParameters.of(request, accepted)
        positions = _positions(request)
        for one in positions:
            if one.partition >= self._partitions:
                raise InvalidCommand.of(MIN_POSITION, f"{one}: the log has the partitions 0 to {self._partitions - 1}")
        reached = await asyncio.gather(*(self._waiter.wait(one, self._wait_seconds) for one in positions))
        if not all(reached):
            late = positions[reached.index(False)]
            raise PositionNotReached(f"The read models did not reach {late} within {self._wait_seconds:g} s.")
        return parameters


def _positions(request: Request) -> list[Position]:
    """Those of the header; a batch's answer names several, with commas between them."""
    given = ",".join(request.headers.getlist(MIN_POSITION))
    parts = [part.strip() for part in given.split(",")] if given else []
    if len(parts) > MOST_POSITIONS:
        raise InvalidCommand.of(MIN_POSITION, f"names more than {MOST_POSITIONS} positions")
    try:
        return [Position.parse(part) for part in parts]
    except ValueError as error:
        raise InvalidCommand.of(MIN_POSITION, str(error)) from None


def checked_id(model_id: str) -> str:
    """ModelNotFound for what can't be an id."""
    if MODEL_ID.fullmatch(model_id) is None:
        raise ModelNotFound(model_id)
    return model_id


def version_of(parameters: QueryParameters) -> str | None:
    text = parameters.text(VERSION.name)
    return None if text is None else str(ModelVersion.parse(text))


def docs(operation_id: str, summary: str, accepted: Sequence[Parameter] = (), *others: int) -> dict[str, Any]:
    """Keyword arguments for the route of a read; `others` are statuses beside the usual ones."""
    header = {
        "name": MIN_POSITION,
        "in": "header",
        "description": "Wait until the read models contain this position, as 3:1024; 504 if that takes too long.",
        "schema": {"type": "string"},
    }
    known = {"name": "If-None-Match", "in": "header", "description": "304 if unchanged", "schema": {"type": "string"}}
    return {
        "operation_id": operation_id,
        "summary": summary,
        "openapi_extra": {"parameters": [*(one.documentation for one in accepted), header, known]},
        "responses": problems(400, 422, 503, 504, *others),
    }
