"""The fold of a partition at one offset, as bytes: a shortcut for a start, never a truth of its own.

Lines of JSON, compressed. Models stay packed until they are asked for: a start needs only the heads of the streams.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tensorfleet.domain.guard import StreamHead
from tensorfleet.domain.model import Model
from tensorfleet.domain.parking import ParkedRecords
from tensorfleet.events.packing import pack

FORMAT: Final = 3
_FAST: Final = 1


class SnapshotUnusable(Exception):
    """It is damaged, or of another format or log. Fold the log from its beginning instead."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Of which partition of which incarnation of the log."""

    cluster_id: str
    topic_id: str
    partition: int


@dataclass(frozen=True, slots=True)
class FoldState:
    """What a LogFold holds. `last_hash` is the SHA-256 of the value at `next_offset` - 1: so it is known again.

    A model is either in `models` or, packed, in `packed`.
    """

    next_offset: int
    last_hash: bytes
    epoch: int
    heads: Mapping[str, StreamHead]
    models: Mapping[str, Model]
    packed: Mapping[str, str]
    names: Mapping[str, str]
    parked: Mapping[str, ParkedRecords]
    latest: int


def dump(origin: Origin, state: FoldState, extra: Iterable[Any]) -> bytes:
    """`extra` is whatever else shall come back, as lists that JSON can hold."""
    return gzip.compress(b"\n".join(_lines(origin, state, extra)), _FAST)


def _lines(origin: Origin, state: FoldState, extra: Iterable[Any]) -> Iterator[bytes]:
    head = {
        "format": FORMAT,
        "cluster_id": origin.cluster_id,
        "topic_id": origin.topic_id,
        "partition": origin.partition,
        "next_offset": state.next_offset,
        "last_hash": state.last_hash.hex(),
        "epoch": state.epoch,
        "parked": [[key, one.first_offset, one.last_offset] for key, one in sorted(state.parked.items())],
        "latest": state.latest,
        "models": len(state.heads),
    }
    yield orjson.dumps(head)
    for model_id, stream in state.heads.items():
        model = state.models.get(model_id)
        packed = pack(model) if model is not None else state.packed.get(model_id)
        yield orjson.dumps([model_id, state.names[model_id], stream.sequence, stream.hash.hex(), packed])
    for one in extra:
        yield orjson.dumps(one)


def load(content: bytes, origin: Origin) -> tuple[FoldState, list[Any]]:
    """The state and what `extra` was. SnapshotUnusable."""
    try:
        lines = gzip.decompress(content).split(b"\n")
        head = orjson.loads(lines[0])
        found = Origin(head["cluster_id"], head["topic_id"], head["partition"])
        if head["format"] != FORMAT or found != origin:
            raise SnapshotUnusable(f"it is of format {head['format']} and of {found}")
        models = [orjson.loads(line) for line in lines[1 : 1 + head["models"]]]
        state = FoldState(
            next_offset=head["next_offset"],
            last_hash=bytes.fromhex(head["last_hash"]),
            epoch=head["epoch"],
            heads={one[0]: StreamHead(one[2], bytes.fromhex(one[3])) for one in models},
            models={},
            packed={one[0]: one[4] for one in models if one[4] is not None},
            names={one[0]: one[1] for one in models},
            parked={key: ParkedRecords(first, last) for key, first, last in head["parked"]},
            latest=head["latest"],
        )
        return state, [orjson.loads(line) for line in lines[1 + head["models"] :]]
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError) as error:
        raise SnapshotUnusable(f"it can't be read: {error!r}") from error
