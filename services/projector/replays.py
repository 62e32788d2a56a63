"""Carries out what operators ask for: to project a parked model again, between two batches."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

from tensorfleet.domain.errors import ReadModelsUnavailable
from tensorfleet.events.codec import Codec
from tensorfleet.events.stored import OffsetRange
from tensorfleet.kafka.topic_reader import TopicReader
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint
from tensorfleet.projection import parked as waiting
from tensorfleet.projection.replay import replay

_LOG = logging.getLogger(__name__)
_ASK_SECONDS: Final = 0.5


class Replays:
    """For the projector's thread, which alone moves the checkpoints of its partitions."""

    def __init__(self, log: TopicReader, codec: Codec) -> None:
        self._log = log
        self._codec = codec
        self._ask_at = 0.0

    def asked(self, store: ProjectionStore, checkpoints: dict[str, Checkpoint]) -> Sequence[str]:
        """The models to be projected again; cheap enough to be asked before every batch."""
        now = time.monotonic()
        if now < self._ask_at:
            return ()
        self._ask_at = now + _ASK_SECONDS
        try:
            return store.replay_requests.open([one.partition for one in checkpoints.values() if one.topic == "log"])
        except ReadModelsUnavailable:
            return ()

    def run(self, model_id: str, store: ProjectionStore, checkpoints: dict[str, Checkpoint]) -> None:
        """While no commit is under way. ReadModelsUnavailable, LogUnavailable, CheckpointTaken: then it stays asked."""
        outcome = self._replayed(model_id, store, checkpoints)
        _LOG.warning("replay of the model %s: %s", model_id, outcome)
        store.replay_requests.done(model_id, outcome)

    def _replayed(self, model_id: str, store: ProjectionStore, checkpoints: dict[str, Checkpoint]) -> str:
        parked = store.load([model_id], [])[2].get(model_id)
        if parked is None or not waiting.waits(parked):
            return "The model is not parked."
        before = checkpoints[f"log:{parked['partition']}"]
        records = self._log.read([OffsetRange(before.partition, parked["offset"], before.next_offset)])
        done = replay(store, self._codec, self._log.topic, parked, records, before)
        store.commit(done.writes)
        checkpoints[before.id] = done.checkpoint
        if done.still is not None:
            return f"It is parked again, at {before.partition}:{done.still['offset']}: {done.still['reason']}"
        return "The model goes on."
