"""The store of one lane: some partitions of a generation that is made anew, far from being live."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bson.int64 import Int64
from pymongo import MongoClient

from tensorfleet.domain.errors import CheckpointTaken
from tensorfleet.mongo.faults import translating
from tensorfleet.mongo.filling_store import FillingStore
from tensorfleet.mongo.projection_store import HAND_OVER
from tensorfleet.mongo.writes import Document, Writes

_MOST_DOCUMENTS: Final = 40_000
_MOST_RECORDS: Final = 200_000


class LaneStore(FillingStore):
    """Holds what may change again, and writes it seldom, without a transaction.

    For generations that are dropped, never gone on with, if their filling ends early: what one of them holds in the
    midst of it means nothing. Whoever fills calls `flush` at the end; only then do the checkpoints move. What never
    changes again is not held. A lane whose generation has another holder now writes at most what it has begun to write,
    into a database that nobody will use: the name of each is used once.
    """

    def __init__(self, client: MongoClient[Document], database: str, holder: str) -> None:
        super().__init__(client, database, holder)
        self._fence = {"_id": HAND_OVER, "holder": holder}
        self._held = Writes()
        self._records = 0

    def load(
        self, model_ids: Iterable[str], version_ids: Iterable[str]
    ) -> tuple[dict[str, Document], dict[str, Document], dict[str, Document]]:
        held = self._held
        models, missing_models = _apart(held.models.documents, model_ids)
        versions, missing_versions = _apart(held.versions.documents, version_ids)
        found, found_versions, parked = super().load(missing_models, missing_versions)
        waiting = {**parked, **{key: held.parked[key] for key in model_ids if key in held.parked}}
        return (
            found | models,
            found_versions | versions,
            {key: one for key, one in waiting.items() if one is not None},
        )

    def known_counters(self, model_ids: Iterable[str], hour_ids: Iterable[str]) -> tuple[set[str], set[str]]:
        held = self._held
        models = {key for key in model_ids if key in held.downloads}
        hours = {key for key in hour_ids if key in held.download_hours}
        known, known_hours = super().known_counters(set(model_ids) - models, set(hour_ids) - hours)
        return known | models, known_hours | hours

    def statistics(self, partition: int) -> Document | None:
        return self._held.statistics.get(partition) or super().statistics(partition)

    def commit(self, writes: Writes) -> None:
        """CheckpointTaken once the generation has another holder."""
        records = writes.records
        with translating():
            if not self._db[HAND_OVER].update_one(self._fence, {"$inc": {"records": Int64(records)}}).matched_count:
                raise CheckpointTaken(f"Another process fills {self.database} now.")
            self._insert(None, writes)
        self._held.merge(writes)
        self._records += records
        puts = (self._held.models, self._held.versions, self._held.search)
        if self._records > _MOST_RECORDS or sum(len(one.documents) for one in puts) > _MOST_DOCUMENTS:
            self.flush()

    def flush(self) -> None:
        """Write what is held. Whoever loads meanwhile finds each document here, or written."""
        with translating():
            if self._held.checkpoints:
                self._write_changes(None, self._held)
                self._move(None, self._held.checkpoints)
        self._held, self._records = Writes(), 0


def _apart(held: dict[str, Document | None], keys: Iterable[str]) -> tuple[dict[str, Document], list[str]]:
    """Those of `keys` that are held, and those that are not."""
    found = {key: one for key in keys if (one := held.get(key)) is not None}
    return found, [key for key in keys if key not in found]
