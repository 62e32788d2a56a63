"""Projects batch after batch: while MongoDB commits one, the next one is folded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from tensorfleet.domain.errors import BatchTooLarge, ReadModelsUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection.batch import BatchProjection, Projected
from tensorfleet.projection.log_projection import DeadLetter

MOST_IN_BATCH: Final = 5_000
"""So many records wait only in a replay. What they change can outgrow MongoDB's cache: see `Pipeline.most`."""
_GROWTH: Final = 32
"""By which part the next batch may be larger than one that fitted; to find one that does not takes time."""


class Pipeline:
    """One batch is being committed and one folded; there are never more than these two. For one thread.

    `checkpoints` are those after the last batch that was taken, by id. Its owner fills them in, and takes out those of
    partitions that are no longer its own. `store` may be changed while nothing is being committed.

    Where `project` or `finish` raises, nothing is being committed any more, and whether the last batch was is not
    known: load the checkpoints again, and read on from there.

    `most`: how many records the next batch should have at most. After one was BatchTooLarge half as many as that, and
    more again with each that is not.
    """

    def __init__(
        self,
        store: ProjectionStore,
        codec: Codec,
        log_topic: str,
        bury: Callable[[list[DeadLetter]], None],
        on_commit: Callable[[Projected], None],
    ) -> None:
        """`bury` stores dead letters durably before it returns; then the batch that had them is committed."""
        self.store = store
        self.bury = bury
        self.checkpoints: dict[str, Checkpoint] = {}
        self.most = MOST_IN_BATCH
        self._codec = codec
        self._log_topic = log_topic
        self._on_commit = on_commit
        self._committer = ThreadPoolExecutor(1, "commit")
        self._committing: tuple[Future[None], Projected] | None = None

    @property
    def busy(self) -> bool:
        return self._committing is not None

    def project(self, records: Sequence[Record]) -> None:
        """ReadModelsUnavailable, LogUnavailable, CheckpointTaken or LogLost, of this batch or of the one before.

        BatchTooLarge: the same again, read from the checkpoints on, but `most` records of it.
        """
        unfinished = self._committing[1].writes if self._committing else None
        batch = BatchProjection(self.store, self._codec, self._log_topic, self.checkpoints, unfinished)
        try:
            projected = batch.project(records)
        except BaseException:
            self.abandon()
            raise
        self.finish()
        if projected.writes.checkpoints:
            self._committing = self._committer.submit(self._commit, projected), projected
            self.checkpoints = projected.checkpoints

    def finish(self) -> None:
        """Wait for the commit under way, if there is one, and raise what it raised."""
        if self._committing is None:
            return
        (commit, projected), self._committing = self._committing, None
        records = projected.writes.records
        try:
            commit.result()
        except BatchTooLarge as error:
            if records == 1:
                raise ReadModelsUnavailable(f"{error.detail} There is no smaller one.") from error
            self.most = records // 2
            raise
        if 2 * records > self.most:
            self.most = min(MOST_IN_BATCH, self.most + 1 + self.most // _GROWTH)
        self._on_commit(projected)

    def abandon(self) -> None:
        """Wait for the commit under way, however it ends."""
        if self._committing is not None:
            wait([self._committing[0]])
            self._committing = None

    def close(self) -> None:
        self._committer.shutdown()

    def _commit(self, projected: Projected) -> None:
        if projected.dead_letters:
            self.bury(projected.dead_letters)
        self.store.commit(projected.writes)
