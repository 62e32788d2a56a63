"""The route by which an operator discards what parks a model; `tensorfleet dead-letters discard` calls it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.command_api import forms as f
from services.command_api.routes import CommandHttp, caller_of, no_parameters
from tensorfleet.http.json import read_command
from tensorfleet.http.openapi.operations import command_docs

_PREFIX: Final = "/api/v1/dead-letters"


def dead_letter_routes(http: CommandHttp) -> APIRouter:
    router = APIRouter(prefix=_PREFIX, tags=["operation"])

    @router.post("/discard", **command_docs("discard_parked_records", "Let a parked model go on", f.DiscardForm))
    async def discard(request: Request) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.DiscardForm)
        return await http.respond(request, http.operations.discard_parked(form, caller_of(request, body)))

    return router
