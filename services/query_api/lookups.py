"""The look-ups that several routes share: a live model, its versions, and its downloads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from services.query_api.tenancy import known_model
from tensorfleet.domain.errors import FileNotFound, ModelNotFound, VersionNotFound
from tensorfleet.mongo.read_models import DOWNLOAD_COUNTERS, VERSIONS, Document, ReadModels


async def live_model(reads: ReadModels, request: Request, model_id: str) -> Document:
    """ModelNotFound for an id that is none, is unknown, is not for this key, or belongs to a deleted model."""
    model = await known_model(reads, request, model_id)
    if model["deleted"]:
        raise ModelNotFound(model_id)
    return model


async def live_versions(reads: ReadModels, model: Document, fields: dict[str, Any] | None = None) -> list[Document]:
    """All of the model's current registration that are not deleted; newest first."""
    where = {"model_id": model["_id"], "registration": model["registration"], "deleted": False}
    return await reads.find(VERSIONS, where, sort=[("version_order", -1)], fields=fields)


async def live_version(reads: ReadModels, model: Document, version: str) -> Document:
    found = await reads.one(VERSIONS, f"{model['_id']}@{version}")
    if found is None or found["deleted"] or found["registration"] != model["registration"]:
        raise VersionNotFound(model["_id"], version)
    return found


async def newest_with_file(reads: ReadModels, model: Document) -> Document:
    """FileNotFound if no version has a file."""
    if model["file_version"] is None:
        raise FileNotFound(model["_id"])
    return await live_version(reads, model, model["file_version"])


async def download_counts(reads: ReadModels, model_ids: Iterable[str]) -> dict[str, int]:
    """Only the models that were downloaded are in it."""
    counters = await reads.find(DOWNLOAD_COUNTERS, {"_id": {"$in": list(set(model_ids))}})
    return {counter["_id"]: counter["downloads"] for counter in counters}
