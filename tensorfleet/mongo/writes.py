"""What a projector writes: everything that one batch of records changes, and how far the read models are then."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from tensorfleet.mongo.counters import Counts, HourTotals
from tensorfleet.mongo.download_windows import Growth
from tensorfleet.mongo.measurements import Measured

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far the read models contain a partition: everything before `next_offset`, last under `epoch`.

    `running_hash` is over the values of all records so far, whether they count or not: it says which log that was,
    and depends on nothing else. `replays` counts how often a parked model of the partition was projected again.
    """

    topic: str
    partition: int
    cluster_id: str
    topic_id: str
    next_offset: int
    epoch: int
    running_hash: bytes
    replays: int = 0

    @property
    def id(self) -> str:
        return f"{self.topic}:{self.partition}"

    @property
    def beginning(self) -> Checkpoint:
        """That of the same partition before its first record."""
        return replace(self, next_offset=0, epoch=0, running_hash=bytes(32), replays=0)


@dataclass(slots=True)
class Puts:
    """Whole documents by `_id`; None: the document goes. `fresh` are those that the collection does not hold yet."""

    documents: dict[str, Document | None] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)

    def put(self, key: str, document: Document | None, *, fresh: bool) -> None:
        """`fresh`: the collection did not hold it before this batch began."""
        self.documents[key] = document
        if fresh:
            self.fresh.add(key)

    def merge(self, later: Puts) -> None:
        """What `later` calls fresh may be in here already; then this says whether the collection holds it."""
        self.fresh |= later.fresh - self.documents.keys()
        self.documents |= later.documents


@dataclass(slots=True)
class Writes:
    """Everything one batch changes. `checkpoints` are pairs of what must be there now and what shall be.

    `history` and `past_*` are new documents; `download_times` is what to append, as tensorfleet/projection/
    download_times.py has it. `facet_counts`: by counter, how many models to add or take away. In `parked` None says
    that the document goes.
    """

    models: Puts = field(default_factory=Puts)
    versions: Puts = field(default_factory=Puts)
    search: Puts = field(default_factory=Puts)
    history: list[Document] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)
    statistics: dict[int, Document] = field(default_factory=dict)
    facet_counts: Counter[str] = field(default_factory=Counter)
    parked: dict[str, Document | None] = field(default_factory=dict)
    downloads: Counts = field(default_factory=Counts)
    download_hours: Counts = field(default_factory=Counts)
    download_totals: HourTotals = field(default_factory=Counter)
    registration_hours: HourTotals = field(default_factory=Counter)
    window_growths: list[Growth] = field(default_factory=list)
    past_models: list[Document] = field(default_factory=list)
    past_versions: list[Document] = field(default_factory=list)
    past_statistics: list[Document] = field(default_factory=list)
    download_times: dict[str, Document] = field(default_factory=dict)
    checkpoints: list[tuple[Checkpoint, Checkpoint]] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many the checkpoints move on by."""
        return sum(after.next_offset - before.next_offset for before, after in self.checkpoints)

    @property
    def inserts(self) -> dict[str, list[Document]]:
        """By collection, documents that nothing will change."""
        return {
            "history": self.history,
            "past_models": self.past_models,
            "past_versions": self.past_versions,
            "past_statistics": self.past_statistics,
        }

    def merge(self, later: Writes) -> None:
        """Be what both change, one after the other; but leave the `inserts` of both alone."""
        self.models.merge(later.models)
        self.versions.merge(later.versions)
        self.search.merge(later.search)
        self.measured.merge(later.measured)
        self.statistics |= later.statistics
        self.facet_counts.update(later.facet_counts)
        self.parked |= later.parked
        self.downloads.merge(later.downloads)
        self.download_hours.merge(later.download_hours)
        self.download_totals.update(later.download_totals)
        self.registration_hours.update(later.registration_hours)
        self.window_growths.extend(later.window_growths)
        for key, page in later.download_times.items():
            self.download_times.setdefault(key, {**page, "downloads": []})["downloads"].extend(page["downloads"])
        first = {before.id: before for before, _ in reversed([*self.checkpoints, *later.checkpoints])}
        last = {after.id: after for _, after in [*self.checkpoints, *later.checkpoints]}
        self.checkpoints = [(first[key], last[key]) for key in first]
