"""How an operator asks whatever projector has a model's partition to project that model again."""

from __future__ import annotations

from collections.abc import Collection as Some
from typing import Any, Final

from pymongo.database import Database

from tensorfleet.mongo.faults import translating

Document = dict[str, Any]
_COLLECTION: Final = "replays"
"""One document for each model. No read model, and never compared."""


class ReplayRequests:
    """In one generation of the read models. Every method raises ReadModelsUnavailable."""

    def __init__(self, database: Database[Document]) -> None:
        self._requests = database[_COLLECTION]

    def ask(self, model_id: str, partition: int) -> None:
        with translating():
            asked = {"_id": model_id, "partition": partition, "outcome": None}
            self._requests.replace_one({"_id": model_id}, asked, upsert=True)

    def open(self, partitions: Some[int]) -> list[str]:
        """The models that were asked for and are not done."""
        with translating():
            found = self._requests.find({"outcome": None, "partition": {"$in": list(partitions)}})
            return [one["_id"] for one in found]

    def done(self, model_id: str, outcome: str) -> None:
        with translating():
            self._requests.update_one({"_id": model_id}, {"$set": {"outcome": outcome}})

    def outcome(self, model_id: str) -> str | None:
        """None as long as no projector has done it. An outcome is told once."""
        with translating():
            found = self._requests.find_one_and_delete({"_id": model_id, "outcome": {"$ne": None}})
        return None if found is None else str(found["outcome"])
