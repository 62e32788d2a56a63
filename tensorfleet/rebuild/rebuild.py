"""Rebuilds, verifies and rolls back the read models while they are being read and written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from tensorfleet.domain.errors import NoSuchGeneration
from tensorfleet.events.codec import Codec
from tensorfleet.mongo.comparison import Comparison
from tensorfleet.mongo.generation_lease import GenerationLease
from tensorfleet.mongo.generation_stores import GenerationStores
from tensorfleet.progress import Progress
from tensorfleet.projection.log_projection import DeadLetter
from tensorfleet.rebuild.filling import Filling, filling
from tensorfleet.rebuild.lanes import WORTH_RECORDS, Lanes
from tensorfleet.rebuild.log_source import LogSource, require_made_from

_NEAR: Final = 1000
"""So few records behind the live generation, the rest of the way is a moment."""


@dataclass(frozen=True, slots=True)
class Verified:
    """`records` were replayed, in so many seconds; `dead_letters` of them could not be projected."""

    database: str
    comparison: Comparison
    records: int
    seconds: float
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Switched:
    """`waiting` are the ids of the checkpoints that no projector has taken over yet."""

    live: str
    previous: str
    dropped: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`switched` is None if the live read models differ and that was not to be repaired."""

    verified: Verified
    switched: Switched | None


@dataclass(frozen=True, slots=True)
class Options:
    """`show`: how many differences to name of each collection. `repair`: switch although there are some.

    `hand_over_seconds`: for how long no projector may take over a partition before the others are not waited for.
    """

    show: int = 20
    repair: bool = False
    drop_old: bool = False
    hand_over_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class ReadModelWorks:
    """GenerationsBusy from every method while another process is at one of them."""

    source: LogSource
    stores: GenerationStores
    codec: Codec
    bury: Callable[[list[DeadLetter]], None]
    progress: Progress
    lanes: Lanes

    def verify(self, options: Options) -> Verified:
        """Compare the live generation with one that is made from the log, and dropped."""
        with self.stores.lease() as lease, self._made(lease) as (database, one):
            return self._compared(lease.generations().live, database, one, options)

    def rebuild(self, options: Options) -> Rebuilt:
        """Make a generation from the log and let it be the live one. Until the switch, nothing live is touched."""
        switched = None
        with self.stores.lease() as lease, self._made(lease) as (database, one):
            verified = self._compared(lease.generations().live, database, one, options)
            if verified.comparison.exact or options.repair:
                switched = self._switch(lease, database, one, options)
        return Rebuilt(verified, switched)

    def rollback(self, options: Options) -> Switched:
        """Bring the previous generation up to date, and let it be the live one. NoSuchGeneration if there is none."""
        with self.stores.lease() as lease:
            previous = lease.generations().previous
            if previous is None:
                raise NoSuchGeneration("There is no generation before the live one: no rebuild was switched to yet.")
            with self._filling(lease, previous) as one:
                self._catch_up(lease.generations().live, one)
                return self._switch(lease, previous, one, options)

    @contextmanager
    def _made(self, lease: GenerationLease) -> Iterator[tuple[str, Filling]]:
        """A new generation, dropped at the end unless it was switched to; what others left over goes first."""
        for left_over in self.stores.unfinished(lease.generations()):
            self.stores.drop(left_over)
        database = lease.new_database()
        try:
            with self._filling(lease, database) as one:
                yield database, one
        finally:
            if database not in self.stores.read().kept:
                self.stores.drop(database)

    @contextmanager
    def _filling(self, lease: GenerationLease, database: str) -> Iterator[Filling]:
        beginnings = self.source.beginnings()
        with self.stores.snapshot(lease.generations().live) as live:
            require_made_from(beginnings, live.checkpoints)
        store = self.stores.filling_store(database, lease.holder)
        with filling(self.source, store, self.codec, beginnings, self.progress.advance) as one:
            one.begin()
            yield one

    def _compared(self, live: str, database: str, one: Filling, options: Options) -> Verified:
        began = time.monotonic()
        self._catch_up(live, one, self.lanes)
        with self.stores.snapshot(live) as snapshot:
            one.fill_to(snapshot.checkpoints)
            seconds = time.monotonic() - began
            self.progress.begin("comparing documents", self.stores.documents(live))
            comparison = snapshot.compare(database, options.show, self.progress.advance)
        return Verified(live, comparison, one.records, seconds, one.dead_letters)

    def _catch_up(self, live: str, one: Filling, lanes: Lanes | None = None) -> None:
        """Come near the live generation, and never beyond it. `lanes`: for a generation that has never been live."""
        while True:
            with self.stores.snapshot(live) as snapshot:
                targets = snapshot.checkpoints
            behind = one.behind(targets)
            if behind:
                self.progress.begin("replaying records", behind)
            if lanes is not None and behind > WORTH_RECORDS:
                lanes.fill(one, targets, self.progress)
            else:
                one.fill_to(targets)
            if behind <= _NEAR:
                return

    def _switch(self, lease: GenerationLease, database: str, one: Filling, options: Options) -> Switched:
        """Reads never go back: whoever reads moves when the new generation has what was shown from the old one."""
        one.make_indexes()
        self._catch_up(lease.generations().live, one)
        before = lease.generations()
        after = before.switched(database)
        lease.set(after)
        self.progress.begin("waiting for the projectors", 0)
        waiting = one.follow(self.bury, options.hand_over_seconds)
        dropped = after.older if options.drop_old else ()
        for old in dropped:
            self.stores.drop(old)
        if dropped:
            lease.set(after.without_older())
        return Switched(database, before.live, dropped, tuple(sorted(waiting)))
