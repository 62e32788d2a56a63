"""The check of one model's stream: each record of it as Kafka holds it, against its history and its documents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tensorfleet.domain.events import ParkedRecordsDiscarded
from tensorfleet.domain.fitting import Unfoldable
from tensorfleet.domain.guard import NO_HASH
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.events.fold import NOT_EVENTS
from tensorfleet.projection.documents import ModelDocuments

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one record, or with what was made of it. `expected` and `found` are JSON values.

    `what`: `entry-missing` (a gap in the history), `record-missing`, `unreadable`, `altered` (another hash than the
    history has), `chain` (not the hash of the record before), `record` or `entry` (one says what the other does not),
    `unprojectable`, `read-model` (a document is not what the events make), `parked`.
    """

    sequence: int
    position: str
    what: str
    expected: Any
    found: Any


@dataclass(frozen=True, slots=True)
class Link:
    """A record that was found right, and what the next one must say: the hash is in hex."""

    sequence: int = 0
    hash: str = NO_HASH.hex()


START: Final = Link()


class StreamCheck:
    """`add` each history entry with its record, in order, until one returns a problem; then `finish`.

    `partition` is the one whose records are added.
    """

    def __init__(self, codec: Codec, model_id: str, partition: int, start: Link = START) -> None:
        self.last = start
        self._codec = codec
        self._model_id = model_id
        self._partition = partition
        self._whole = start == START
        self._model: dict[str, Any] | None = None
        self._versions: dict[str, dict[str, Any]] = {}

    def add(self, entry: Document, value: bytes | None, present: bool) -> Problem | None:
        """`present`: whether Kafka has a record at the entry's position; `value` is that record's."""
        position = Position(entry["partition"], entry["offset"])
        # What was discarded has no entries: a discard may come later than next after the entry before it.
        leaps = entry["type"] == ParkedRecordsDiscarded.__name__ and entry["sequence"] > self.last.sequence + 1
        sequence = entry["sequence"] if leaps else self.last.sequence + 1

        def problem(what: str, expected: Any, found: Any) -> Problem:
            return Problem(sequence, str(position), what, expected, found)

        if entry["sequence"] != sequence:
            return problem("entry-missing", sequence, entry["sequence"])
        if not present:
            return problem("record-missing", entry["hash"], None)
        digest = hashlib.sha256(value or b"").digest()
        if digest.hex() != entry["hash"]:
            return problem("altered", entry["hash"], digest.hex())
        try:
            envelope = self._codec.decode(value or b"")
        except Undecodable as error:
            return problem("unreadable", None, str(error))
        if not leaps and envelope.previous_hash.hex() != self.last.hash:
            return problem("chain", self.last.hash, envelope.previous_hash.hex())
        identity, own = [self._model_id, sequence], [envelope.model_id, envelope.sequence]
        if identity != own:
            return problem("record", identity, own)
        if isinstance(envelope.event, NOT_EVENTS):
            return problem("unprojectable", None, f"{envelope.event_type} is not an event of a model")
        said = {**_said(envelope), "model_id": self._model_id, "partition": self._partition}
        shown = {name: entry.get(name) for name in said}
        if said != shown:
            return problem("entry", said, shown)
        self.last = Link(sequence, entry["hash"])
        if self._whole:
            try:
                self._project(envelope, position, digest)
            except Unfoldable as error:
                return problem("unprojectable", None, str(error))
        return None

    def finish(self, model: Document, versions: Sequence[Document]) -> Problem | None:
        """After the last record: `model` and all its `versions` are to be what the events make, of equal age."""
        position = f"{model['partition']}:{model['offset']}"
        head = [self.last.sequence, self.last.hash]
        found = [model["sequence"], bytes(model["head_hash"]).hex()]
        if head != found:
            return Problem(model["sequence"], position, "read-model", head, found)
        if not self._whole:
            return None
        made = {model["_id"]: self._model or {}, **{one["_id"]: one for one in self._versions.values()}}
        held = {model["_id"]: model, **{one["_id"]: one for one in versions}}
        for key in sorted({*made, *held}):
            ours, theirs = made.get(key, {}), held.get(key, {})
            fields = [name for name in ours if name not in theirs or theirs[name] != ours[name]]
            if fields or not ours:
                expected, shown = ({"document": key, **_fields(one, fields)} for one in (ours, theirs))
                return Problem(model["sequence"], position, "read-model", expected, shown)
        return None

    def _project(self, envelope: Envelope, position: Position, digest: bytes) -> None:
        documents = ModelDocuments(
            None if self._model is None else dict(self._model),
            lambda number: dict(self._versions[number]) if number in self._versions else None,
        )
        if not isinstance(envelope.event, ParkedRecordsDiscarded):
            documents.apply(envelope, position, digest)
        elif documents.model is not None:  # a stream may have begun with what was discarded
            documents.move_to(envelope, position, digest)
        self._model = documents.model
        self._versions.update(documents.changed_versions)


def _said(envelope: Envelope) -> dict[str, Any]:
    return {
        "type": envelope.event_type,
        "actor": envelope.actor,
        "occurred_at": envelope.occurred_at,
        "event_id": envelope.event_id,
        "version": getattr(envelope.event, "version", None),
    }


def _fields(document: Document, names: Sequence[str]) -> dict[str, Any]:
    shown = {name: document.get(name) for name in names}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in shown.items()}
