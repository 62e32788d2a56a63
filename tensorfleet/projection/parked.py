"""The document of a model that waits for an operator, in the collection `parked`.

It also keeps the head of a stream whose records were all discarded, until the model is registered: `reason` is None
then.
"""

from __future__ import annotations

from bson.int64 import Int64

from tensorfleet.domain.guard import StreamHead
from tensorfleet.events.envelope import Position
from tensorfleet.projection.documents import Document


def begin(model_id: str, reason: str, position: Position, epoch: int, before: StreamHead, head: StreamHead) -> Document:
    """`epoch` and `before` are those of the partition and the stream before the record at `position`."""
    return {
        "_id": model_id,
        "reason": reason,
        "partition": position.partition,
        "offset": Int64(position.offset),
        "last_offset": Int64(position.offset),
        "epoch": Int64(epoch),
        "before_sequence": Int64(before.sequence),
        "before_hash": before.hash,
        **_head(head),
    }


def only_head(model_id: str, partition: int, head: StreamHead) -> Document:
    return {"_id": model_id, "reason": None, "partition": partition, **_head(head)}


def with_next(parked: Document, offset: int, head: StreamHead | None = None) -> Document:
    """One record more waits; `head` is that of the stream after it, if it moved."""
    return {**parked, "last_offset": Int64(offset), **({} if head is None else _head(head))}


def waits(parked: Document) -> bool:
    return parked["reason"] is not None


def head_before(parked: Document) -> StreamHead:
    """That of the stream before the first record that waits."""
    return StreamHead(parked["before_sequence"], bytes(parked["before_hash"]))


def _head(head: StreamHead) -> Document:
    return {"sequence": Int64(head.sequence), "head_hash": head.hash}
