"""What an operator sees of the models that are parked, in the live read models."""

from __future__ import annotations

from dataclasses import dataclass

from tensorfleet.events.envelope import Position
from tensorfleet.mongo.faults import translating
from tensorfleet.mongo.generation_stores import GenerationStores
from tensorfleet.mongo.replay_requests import ReplayRequests


@dataclass(frozen=True, slots=True)
class ParkedModel:
    """`first` and `last` are the positions in the log of the first and the last record that waits."""

    model_id: str
    reason: str
    first: Position
    last: Position


class ParkedModels:
    """Every method raises ReadModelsUnavailable."""

    def __init__(self, stores: GenerationStores) -> None:
        self._live = stores.database(stores.read().live)
        self.replay_requests = ReplayRequests(self._live)

    def all(self) -> dict[str, ParkedModel]:
        """By id."""
        with translating():
            found = list(self._live["parked"].find({"reason": {"$ne": None}}))
        return {
            one["_id"]: ParkedModel(
                one["_id"],
                one["reason"],
                Position(one["partition"], one["offset"]),
                Position(one["partition"], one["last_offset"]),
            )
            for one in found
        }
