"""What the read models hold before a batch: from the batch before it, if that is still being written, or MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Writes
from tensorfleet.projection.documents import Document
from tensorfleet.projection.search_entries import searchable
from tensorfleet.projection.statistics import PartitionStatistics


class Baseline:
    """ReadModelsUnavailable from whatever asks MongoDB. `unfinished`: what may not be committed yet."""

    def __init__(self, store: ProjectionStore, unfinished: Writes) -> None:
        self._store = store
        self._unfinished = unfinished
        self.models: dict[str, Document] = {}
        self.versions: dict[str, Document] = {}
        self.parked: dict[str, Document] = {}

    def load(self, model_ids: Set[str], version_ids: Set[str]) -> None:
        """Fetch the documents that a batch will look at, all at once."""
        models = _held(self._unfinished.models.documents, model_ids)
        versions = _held(self._unfinished.versions.documents, version_ids)
        found, found_versions, parked = self._store.load(model_ids - models.keys(), version_ids - versions.keys())
        self.models, self.versions = found | models, found_versions | versions
        unparked = {key for key, one in self._unfinished.parked.items() if one is None}
        self.parked = {key: one for key, one in parked.items() if key not in unparked}
        self.parked |= _held(self._unfinished.parked, model_ids)

    def has_search_entry(self, model_id: str) -> bool:
        return searchable(self.models.get(model_id)) is not None

    def statistics(self, partition: int) -> PartitionStatistics:
        held = self._unfinished.statistics.get(partition)
        return PartitionStatistics.of(held or self._store.statistics(partition))

    def new_counters(self, totals: Iterable[str], hours: Iterable[str]) -> tuple[set[str], set[str]]:
        """Which of the download counters, and of the hourly ones, do not exist yet."""
        new = {key for key in totals if key not in self._unfinished.downloads}
        new_hours = {key for key in hours if key not in self._unfinished.download_hours}
        known, known_hours = self._store.known_counters(new, new_hours)
        return new - known, new_hours - known_hours


def _held(documents: Mapping[str, Document | None], keys: Set[str]) -> dict[str, Document]:
    return {key: found for key in keys if (found := documents.get(key)) is not None}
