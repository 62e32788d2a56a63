"""Projects the log into one generation that projectors do not write."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tensorfleet.domain.errors import BatchTooLarge, CheckpointTaken, CommitInterrupted, LogUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.mongo.filling_store import FillingStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection.batch import Projected
from tensorfleet.projection.log_projection import DeadLetter
from tensorfleet.projection.pipeline import Pipeline
from tensorfleet.rebuild.log_source import LogSource, require_made_from

_LOG = logging.getLogger(__name__)
_SILENCE_SECONDS: Final = 30.0
_ASK_SECONDS: Final = 0.25
_GATHER_SECONDS: Final = 0.25
"""Nobody waits for a record before the switch, and large batches write a document that many events change only once."""


class Filling:
    """For one thread. `on_commit` is told the number of records of each batch committed.

    ReadModelsUnavailable and LogUnavailable from everything; then give up, and begin again with another generation.
    """

    def __init__(
        self,
        source: LogSource,
        store: FillingStore,
        codec: Codec,
        beginnings: Mapping[str, Checkpoint],
        on_commit: Callable[[int], None],
    ) -> None:
        """Dead letters of what the live generation contains are in their topic already: these are only counted."""
        self.dead_letters = 0
        self.records = 0
        self.source = source
        self.store = store
        self.beginnings = beginnings
        self._on_commit = on_commit
        self._reader = source.reader()
        self._pipeline = Pipeline(store, codec, source.topics.log, _no_letters, self._committed)

    def begin(self) -> None:
        """Fence off whoever wrote the generation before, and start at its checkpoints. Indexes can wait."""
        self.store.make_collections()
        self.store.begin()
        self.resume()

    def resume(self) -> None:
        """Start at the checkpoints, wherever they stand."""
        self._load(self.beginnings)

    def behind(self, targets: Mapping[str, Checkpoint]) -> int:
        """How many records are missing to be at `targets`."""
        ours = self._pipeline.checkpoints
        return sum(max(0, one.next_offset - ours[key].next_offset) for key, one in targets.items())

    def fill_to(self, targets: Mapping[str, Checkpoint]) -> None:
        """Contain everything up to `targets`, by id, and nothing beyond."""
        while True:
            try:
                self.fill_straight_to(targets)
                return
            except BatchTooLarge as error:
                _LOG.warning("smaller batches: %s", error.detail)
                self._pipeline.abandon()
                self.resume()

    def fill_straight_to(self, targets: Mapping[str, Checkpoint]) -> None:
        """As `fill_to`, in batches of one size: for a store that can't begin again at its checkpoints."""
        self._start(key for key, one in targets.items() if one.next_offset > self._at(key))
        ends = {self.source.place(one): one.next_offset for one in targets.values()}
        heard = time.monotonic()
        while behind := self.behind(targets):
            burst = self._reader.burst(min(self._pipeline.most, behind), _ASK_SECONDS, _GATHER_SECONDS)
            records = [one for one in burst if one.offset < ends[one.topic, one.partition]]
            if records:
                heard = time.monotonic()
                self._pipeline.project(records)
            elif time.monotonic() > heard + _SILENCE_SECONDS:
                raise LogUnavailable(f"Kafka has sent none of the records wanted for {_SILENCE_SECONDS:g} s.")
        self._pipeline.finish()

    def make_indexes(self) -> None:
        """All at once, which is faster than one document after the other."""
        self.store.prepare()

    def follow(self, bury: Callable[[list[DeadLetter]], None], seconds: float) -> set[str]:
        """Follow the log until projectors have taken over every partition; the ids of those that they have not.

        `seconds` bounds the time in which none is taken over.
        """
        self._pipeline.bury = bury
        left, asked, until = set(self.beginnings), 0.0, time.monotonic() + seconds
        self._start(left)
        while left and time.monotonic() < until:
            overtaken: CheckpointTaken | CommitInterrupted | BatchTooLarge | None = None
            try:
                self._follow_once()
                if time.monotonic() < asked + _ASK_SECONDS:
                    continue
            except (CheckpointTaken, CommitInterrupted, BatchTooLarge) as error:
                overtaken = error
            asked, before, left = time.monotonic(), left, left - self.store.taken()
            if left != before:
                until = asked + seconds
            elif isinstance(overtaken, CheckpointTaken):
                raise overtaken
            if left != before or overtaken:
                self._reload(left)
        self._pipeline.abandon()
        return left

    def close(self) -> None:
        self._pipeline.abandon()
        self._pipeline.close()
        self._reader.close()

    def _follow_once(self) -> None:
        records = self._reader.burst(self._pipeline.most, 0 if self._pipeline.busy else _ASK_SECONDS / 5)
        if records:
            self._pipeline.project(records)
        else:
            self._pipeline.finish()

    def _reload(self, ids: set[str]) -> None:
        self._pipeline.abandon()
        self._load({key: self.beginnings[key] for key in ids})
        self._start(ids)

    def _load(self, initial: Mapping[str, Checkpoint]) -> None:
        found = {key: self.store.checkpoint(one) for key, one in initial.items()}
        require_made_from(self.beginnings, found)
        self._pipeline.checkpoints = found

    def _start(self, ids: Iterator[str] | set[str]) -> None:
        self._reader.start({self.source.place(self.beginnings[key]): self._at(key) for key in ids})

    def _at(self, key: str) -> int:
        return self._pipeline.checkpoints[key].next_offset

    def _committed(self, projected: Projected) -> None:
        self.records += projected.writes.records
        self.dead_letters += len(projected.dead_letters)
        self._on_commit(projected.writes.records)


def _no_letters(_: list[DeadLetter]) -> None:
    """They are in their topic already."""


@contextmanager
def filling(
    source: LogSource,
    store: FillingStore,
    codec: Codec,
    beginnings: Mapping[str, Checkpoint],
    on_commit: Callable[[int], None],
) -> Iterator[Filling]:
    """Its owner says how it starts: `begin`, or `resume`."""
    one = Filling(source, store, codec, beginnings, on_commit)
    try:
        yield one
    finally:
        one.close()
