"""The routes about a version's file once it is attached: a scanner's verdict, and its release by an admin."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.command_api import forms as f
from services.command_api.routes import CommandHttp, caller_of, no_parameters
from tensorfleet.http.json import read_command
from tensorfleet.http.openapi.operations import command_docs


def artifact_routes(http: CommandHttp) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models/{model_id}/versions/{version}", tags=["commands"])
    operations = http.operations

    @router.post("/scan", **command_docs("record_scan", "Record a scanner's verdict on a version's file", f.ScanForm))
    async def record_scan(request: Request, model_id: str, version: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.ScanForm)
        answer = operations.record_scan(model_id, version, form, caller_of(request, body))
        return await http.respond(request, answer)

    @router.post(
        "/release", **command_docs("release_file", "Let a version's file be downloaded all the same", f.ReleaseForm)
    )
    async def release(request: Request, model_id: str, version: str) -> Response:
        no_parameters(request)
        form, body = await read_command(request, f.ReleaseForm)
        answer = operations.release(model_id, version, form, caller_of(request, body))
        return await http.respond(request, answer)

    return router
