"""One connection to all generations of the read models: which is live, their stores, and comparing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from pymongo import MongoClient, UpdateOne, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from tensorfleet.domain.errors import CheckpointTaken
from tensorfleet.mongo.comparison import Comparison, Side, compare
from tensorfleet.mongo.connection import connected
from tensorfleet.mongo.download_windows import DOWNLOAD_WINDOWS, WindowUpkeep
from tensorfleet.mongo.faults import translating
from tensorfleet.mongo.filling_store import FillingStore
from tensorfleet.mongo.generation_lease import GenerationLease
from tensorfleet.mongo.generations import LIVE, POINTER, Generations, is_made_from
from tensorfleet.mongo.lane_store import LaneStore
from tensorfleet.mongo.projection_store import COLLECTIONS, HAND_OVER, ProjectionStore, checkpoint_of
from tensorfleet.mongo.shape import SHAPES
from tensorfleet.mongo.writes import Checkpoint, Document

_CHECKPOINTS: Final = "checkpoints"


class Snapshot:
    """A generation as it was at one moment, while projectors go on."""

    def __init__(self, live: Side, stores: GenerationStores) -> None:
        self._live = live
        self._stores = stores
        with translating():
            # The first read decides which moment.
            found = live.database[_CHECKPOINTS].find(session=live.session)
            self.checkpoints: dict[str, Checkpoint] = {one["_id"]: checkpoint_of(one) for one in found}

    def compare(self, replayed: str, show: int, advance: Callable[[int], None]) -> Comparison:
        """With a generation that stands still at the same checkpoints."""
        with translating():
            return compare(self._live, Side(self._stores.database(replayed)), show, advance)


class GenerationStores:
    """Every method raises ReadModelsUnavailable."""

    def __init__(self, client: MongoClient[Document], home: str) -> None:
        self._client = client
        self._home = home

    def database(self, name: str) -> Database[Document]:
        return self._client.get_database(
            name, write_concern=WriteConcern("majority"), read_concern=ReadConcern("majority")
        )

    def read(self) -> Generations:
        with translating():
            return Generations.of(self.database(self._home)[POINTER].find_one({"_id": LIVE}), self._home)

    def lease(self) -> GenerationLease:
        return GenerationLease(self.database(self._home)[POINTER], self._home)

    def store(self, database: str) -> ProjectionStore:
        return ProjectionStore(self._client, database)

    def filling_store(self, database: str, holder: str) -> FillingStore:
        return FillingStore(self._client, database, holder)

    def lane_store(self, database: str, holder: str) -> LaneStore:
        return LaneStore(self._client, database, holder)

    def upkeep(self) -> WindowUpkeep:
        """Of the generation that is live now."""
        return WindowUpkeep(self.database(self.read().live))

    @contextmanager
    def snapshot(self, database: str) -> Iterator[Snapshot]:
        """MongoDB keeps it for five minutes, unless told otherwise."""
        session: ClientSession
        with translating(), self._client.start_session(snapshot=True) as session:
            # A session of this kind brings its own read concern.
            yield Snapshot(Side(self._client[database], session), self)

    def checkpoints(self, database: str) -> dict[str, Checkpoint]:
        """By id."""
        with translating():
            return {one["_id"]: checkpoint_of(one) for one in self.database(database)[_CHECKPOINTS].find()}

    def adopt(self, changes: Mapping[str, Sequence[tuple[Checkpoint, Checkpoint]]]) -> None:
        """By database, checkpoints and what they become: other ids of cluster and topic, and nothing else.

        All at once. CheckpointTaken, and nothing changed, if one of them is not what it is said to be.
        """

        def write(session: ClientSession) -> None:
            for database, pairs in changes.items():
                moves = [UpdateOne(_exactly(before), {"$set": _identity(after)}) for before, after in pairs]
                done = self.database(database)[_CHECKPOINTS].bulk_write(moves, ordered=False, session=session)
                if done.matched_count != len(moves):
                    raise CheckpointTaken(f"Checkpoints of {database} have moved meanwhile. Stop the projectors first.")

        with translating(), self._client.start_session() as session:
            session.with_transaction(write, ReadConcern("snapshot"), WriteConcern("majority"))

    def documents(self, database: str) -> int:
        """About how many there are."""
        with translating():
            return sum(self._client[database][name].estimated_document_count() for name in COLLECTIONS)

    def drop(self, database: str) -> None:
        """All of a generation. The home stays, without read models."""
        with translating():
            if database != self._home:
                self._client.drop_database(database)
                return
            for name in (*sorted(COLLECTIONS), DOWNLOAD_WINDOWS, HAND_OVER, SHAPES):
                self.database(database)[name].drop()

    def unfinished(self, generations: Generations) -> list[str]:
        """Databases that whoever made them did not live to see live, or to drop."""
        with translating():
            names = self._client.list_database_names()
        return [one for one in names if is_made_from(self._home, one) and one not in generations.kept]


def _exactly(one: Checkpoint) -> Document:
    return {"_id": one.id, "next_offset": one.next_offset, "running_hash": one.running_hash, **_identity(one)}


def _identity(one: Checkpoint) -> Document:
    return {"cluster_id": one.cluster_id, "topic_id": one.topic_id}


@contextmanager
def open_generations(url: str, home: str) -> Iterator[GenerationStores]:
    with connected(url) as client:
        yield GenerationStores(client, home)
