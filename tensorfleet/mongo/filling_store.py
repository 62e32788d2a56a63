"""The store of a generation that is filled beside the live one, until projectors take it over."""

from __future__ import annotations

from bson.int64 import Int64
from pymongo import MongoClient
from pymongo.client_session import ClientSession

from tensorfleet.domain.errors import CheckpointTaken
from tensorfleet.mongo.faults import translating
from tensorfleet.mongo.projection_store import HAND_OVER, ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Document


class FillingStore(ProjectionStore):
    """Every commit is fenced: CheckpointTaken once a projector asked for one of its checkpoints, or another fills.

    The fence and a projector's taking over write the same document, so of the two one comes first: what was committed
    before it, the projector finds in the checkpoint; nothing is committed after it.
    """

    def __init__(self, client: MongoClient[Document], database: str, holder: str) -> None:
        super().__init__(client, database)
        self.database = database
        self.holder = holder

    def begin(self) -> None:
        """Fence off whoever filled this generation before, and take every partition back from projectors."""
        with translating():
            fresh = {"holder": self.holder, "taken": [], "commits": Int64(0), "records": Int64(0)}
            self._db[HAND_OVER].replace_one({"_id": HAND_OVER}, fresh, upsert=True)

    def records_of_lanes(self) -> int:
        """How many LaneStores have projected, in this one's name."""
        with translating():
            found = self._db[HAND_OVER].find_one({"_id": HAND_OVER, "holder": self.holder})
        return 0 if found is None else found["records"]

    def give_up(self) -> None:
        """Nobody writes this generation any more: whoever still does gets CheckpointTaken."""
        with translating():
            self._db[HAND_OVER].update_one({"_id": HAND_OVER}, {"$set": {"holder": None}})

    def taken(self) -> set[str]:
        """The ids of the checkpoints that projectors have taken over."""
        with translating():
            found = self._db[HAND_OVER].find_one({"_id": HAND_OVER})
        return set() if found is None else set(found["taken"])

    def _take_over(self, checkpoint_id: str) -> None:
        """Reading a checkpoint to fill on from it takes it from nobody."""

    def _move(self, session: ClientSession | None, checkpoints: list[tuple[Checkpoint, Checkpoint]]) -> None:
        moved = [before.id for before, _ in checkpoints]
        own = {"_id": HAND_OVER, "holder": self.holder, "taken": {"$nin": moved}}
        if not self._db[HAND_OVER].update_one(own, {"$inc": {"commits": 1}}, session=session).matched_count:
            raise CheckpointTaken(f"Of the checkpoints {', '.join(moved)}, one has been taken over.")
        super()._move(session, checkpoints)
