"""Which shape the documents of a generation have: read models that another release wrote are not read as our own."""

from __future__ import annotations

from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import PyMongoError

from tensorfleet.domain.errors import ReadModelsOutdated
from tensorfleet.mongo.live_generation import LiveGeneration

SHAPE: Final = 3
"""Raise it with every change of what a replay writes: new fields, other keys, other collections."""
SHAPES: Final = "shape"
_FIRST: Final = 1
"""Of read models that do not tell theirs."""
_OWN: Final[dict[str, Any]] = {"_id": SHAPES}


def claim_shape(database: Database[dict[str, Any]]) -> None:
    """Read models that are still empty have our shape from now on. ReadModelsOutdated if others are there."""
    # In this order: whoever makes a checkpoint has told the shape before.
    fresh = database.checkpoints.find_one({}, {"_id": 1}) is None
    found = database[SHAPES].find_one(_OWN)
    if found is None and fresh:
        told = {"$setOnInsert": {"number": SHAPE}}
        found = database[SHAPES].find_one_and_update(_OWN, told, upsert=True, return_document=ReturnDocument.AFTER)
    _require(database.name, found)


async def require_shape(live: LiveGeneration) -> None:
    """ReadModelsOutdated if the live read models have another shape. While MongoDB does not answer, nobody can tell."""
    try:
        begun = await live.read(lambda database: database.checkpoints.find_one({}, {"_id": 1}))
        found = await live.read(lambda database: database[SHAPES].find_one(_OWN))
    except PyMongoError:
        return
    if begun is not None:
        _require("MONGODB_DB", found)


def _require(name: str, found: dict[str, Any] | None) -> None:
    number = _FIRST if found is None else found["number"]
    if number != SHAPE:
        raise ReadModelsOutdated(
            f"The read models in {name} have shape {number}; this release reads and writes shape {SHAPE}. Nothing was "
            "changed. Stop the projectors of the other release, make new read models from the log with "
            "`tensorfleet rebuild --repair`, and start again: docs/runbooks/rebuild.md, After an upgrade."
        )
