"""One model: whole, by id or by name, its file's metadata, and its versions."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.query_api.as_of import AS_OF, Views
from services.query_api.gate import VERSION, ReadGate, docs, version_of
from services.query_api.lookups import download_counts, live_model, live_version, live_versions, newest_with_file
from services.query_api.rendering import (
    download_url,
    file_members,
    model_size,
    scan_members,
    whole_model,
    whole_version,
)
from tensorfleet.domain.errors import FileNotFound
from tensorfleet.domain.names import canonical_name, model_id_of
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.http.conditional import conditional_json
from tensorfleet.http.query_parameters import strict_path_text

_BY_NAME: Final = "/by-name/"


def model_routes(gate: ReadGate, views: Views) -> APIRouter:
    router = APIRouter(prefix="/api/v1/models", tags=["models"])

    @router.get(_BY_NAME + "{name:path}", **docs("get_model_by_name", "A model by its name", [VERSION, AS_OF], 404))
    async def by_name(request: Request) -> Response:
        name = strict_path_text(request).partition(_BY_NAME)[2]
        return await _answer(request, gate, views, model_id_of(canonical_name(name)))

    @router.get("/{model_id}", **docs("get_model", "A model, whole", [VERSION, AS_OF], 404))
    async def by_id(request: Request, model_id: str) -> Response:
        return await _answer(request, gate, views, model_id)

    @router.get("/{model_id}/info", **docs("get_file_info", "The metadata of a model's file", [VERSION, AS_OF], 404))
    async def info(request: Request, model_id: str) -> Response:
        parameters = await gate.enter(request, [VERSION, AS_OF])
        version, reads = version_of(parameters), (await views.of(parameters, model_id)).reads
        model = await live_model(reads, request, model_id)
        shown = await live_version(reads, model, version) if version else await newest_with_file(reads, model)
        metadata = file_members(shown["file"])
        if metadata is None:
            raise FileNotFound(model_id, shown["version"])
        members = {
            "id": model_id,
            "name": model["name"],
            "version": shown["version"],
            **metadata,
            "model_size": model_size(shown["file"]),
            "file_metadata": metadata,
            "scan": scan_members(shown["scan"]),
            "corrupt": shown["corrupt"],
            "download_url": download_url(model_id, shown["version"]),
        }
        return conditional_json(request, members)

    @router.get("/{model_id}/versions", **docs("list_versions", "A model's versions, newest first", [AS_OF], 404))
    async def versions(request: Request, model_id: str) -> Response:
        reads = (await views.of(await gate.enter(request, [AS_OF]), model_id)).reads
        model = await live_model(reads, request, model_id)
        found = [whole_version(one) for one in await live_versions(reads, model)]
        members = {"id": model_id, "name": model["name"], "versions": found, "total": len(found)}
        return conditional_json(request, members)

    @router.get("/{model_id}/versions/{version}", **docs("get_version", "One version of a model", [AS_OF], 404))
    async def one_version(request: Request, model_id: str, version: str) -> Response:
        reads = (await views.of(await gate.enter(request, [AS_OF]), model_id)).reads
        model = await live_model(reads, request, model_id)
        found = await live_version(reads, model, str(ModelVersion.parse(version)))
        return conditional_json(request, {**whole_version(found), "name": model["name"]})

    return router


async def _answer(request: Request, gate: ReadGate, views: Views, model_id: str) -> Response:
    parameters = await gate.enter(request, [VERSION, AS_OF])
    version, reads = version_of(parameters), (await views.of(parameters, model_id)).reads
    model = await live_model(reads, request, model_id)
    shown = await live_version(reads, model, version) if version else model
    fields = {name: 1 for name in ("version", "parent_version", "status", "created_at", "file", "scan.verdict")}
    versions, counts = await asyncio.gather(live_versions(reads, model, fields), download_counts(reads, [model_id]))
    return conditional_json(request, whole_model(model, shown, versions, counts.get(model_id, 0)))
