"""What a comparison looks at: each version asked for, its parent, and what was last reported of its metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from services.query_api.comparison.tracked import last_points, last_points_of_parents
from services.query_api.lookups import live_model, live_version
from tensorfleet.domain.errors import FieldError, NotFound, SeveralNotFound
from tensorfleet.mongo.read_models import VERSIONS, Document, ReadModels


@dataclass(frozen=True, slots=True)
class Compared:
    """`shown` is the document of the version, or of the model if its newest was asked for.

    `parent` is None for a first version, and if the parent was deleted. `tracked` are last points by metric, whether
    the version has the metric or not; `tracked_of_parent` those of the parent's that `tracked` has too.
    """

    model: Document
    shown: Document
    parent: Document | None
    tracked: Mapping[str, Document]
    tracked_of_parent: Mapping[str, Document]


async def compared(reads: ReadModels, request: Request, wanted: Sequence[tuple[str, str | None]]) -> list[Compared]:
    """ModelNotFound, VersionNotFound, or SeveralNotFound that names all."""
    found = await _found(reads, request, wanted)
    parents, tracked = await asyncio.gather(_parents(reads, found), last_points(reads, found))
    of_parents = await last_points_of_parents(reads, parents.keys(), found, tracked)
    none: Mapping[str, Document] = {}
    return [
        Compared(
            model,
            shown,
            parents.get(f"{model['_id']}@{shown['parent_version']}"),
            tracked.get(f"{model['_id']}@{shown['version']}", none),
            of_parents.get(f"{model['_id']}@{shown['parent_version']}", none),
        )
        for model, shown in found
    ]


async def _found(
    reads: ReadModels, request: Request, wanted: Sequence[tuple[str, str | None]]
) -> list[tuple[Document, Document]]:
    found: list[tuple[Document, Document]] = []
    missing: list[tuple[int, NotFound]] = []
    for index, one in enumerate(await asyncio.gather(*(_model_and_version(reads, request, *one) for one in wanted))):
        if isinstance(one, NotFound):
            missing.append((index, one))
        else:
            found.append(one)
    if len(missing) == 1:
        raise missing[0][1]
    if missing:
        raise SeveralNotFound([FieldError(f"ids.{index}", error.detail) for index, error in missing])
    return found


async def _model_and_version(
    reads: ReadModels, request: Request, model_id: str, version: str | None
) -> tuple[Document, Document] | NotFound:
    try:
        model = await live_model(reads, request, model_id)
        return model, await live_version(reads, model, version) if version else model
    except NotFound as error:
        return error


async def _parents(reads: ReadModels, found: Sequence[tuple[Document, Document]]) -> dict[str, Document]:
    """By `_id`. A parent of an earlier registration can't be: each registration begins with a first version."""
    keys = {f"{model['_id']}@{shown['parent_version']}" for model, shown in found if shown["parent_version"]}
    where = {"_id": {"$in": sorted(keys)}, "deleted": False}
    return {one["_id"]: one for one in await reads.find(VERSIONS, where, fields={"version": 1, "metrics": 1})}
