"""Projects one parked model again, from the record that parked it, with whatever this release can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import OwnershipClaimed
from tensorfleet.events.fold import model_id_in
from tensorfleet.events.stored import StoredRecord
from tensorfleet.kafka.records import Record
from tensorfleet.mongo.projection_store import ProjectionStore
from tensorfleet.mongo.writes import Checkpoint, Document, Writes
from tensorfleet.projection import parked as waiting
from tensorfleet.projection.baseline import Baseline
from tensorfleet.projection.log_projection import Decoded, LogProjection

_CLAIM: Final = OwnershipClaimed.__name__.encode()


@dataclass(frozen=True, slots=True)
class Replayed:
    """`writes` moves the checkpoint to `checkpoint`: to the same place, so that whoever held the one before is fenced.

    `still` is the document by which the model goes on waiting, or None.
    """

    writes: Writes
    checkpoint: Checkpoint
    still: Document | None


def replay(
    store: ProjectionStore, codec: Codec, topic: str, parked: Document, log: Iterable[StoredRecord], before: Checkpoint
) -> Replayed:
    """`log` is the model's partition from the first parked record up to the checkpoint `before`.

    ReadModelsUnavailable. Nothing is written: the caller, who alone moves this checkpoint, commits the writes.
    """
    model_id = parked["_id"]
    records = list(_concerning(model_id, codec, topic, log))
    projection = LogProjection(Baseline(store, Writes()), {before.partition: parked["epoch"]})
    projection.load(records, [model_id])
    projection.resume(parked)
    for record, envelope in records:
        projection.project(record, envelope)
    writes = projection.finish()
    after = replace(before, replays=before.replays + 1)
    writes.checkpoints = [(before, after)]
    still = writes.parked.get(model_id)
    return Replayed(writes, after, still if still is not None and waiting.waits(still) else None)


def _concerning(model_id: str, codec: Codec, topic: str, log: Iterable[StoredRecord]) -> Iterator[Decoded]:
    """The model's records and the claims. Only what may be one is decoded: both stand in the bytes as they are."""
    marks = model_id.encode(), _CLAIM
    for one in log:
        keyed = model_id_in(one.key) == model_id
        value = one.value or b""
        if not keyed and not any(mark in value for mark in marks):
            continue
        record = Record(topic, one.partition, one.offset, one.key, one.value, list)
        try:
            envelope = codec.decode(value)
        except Undecodable:
            if keyed:
                yield record, None
            continue
        if envelope.model_id == model_id or isinstance(envelope.event, OwnershipClaimed):
            yield record, envelope
