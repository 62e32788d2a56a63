"""The fold of one log partition: bytes in, verdicts and models out. Every reader of the log uses this one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tensorfleet.domain.events import ModelDownloaded
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.fitting import Unfoldable
from tensorfleet.domain.guard import EMPTY_STREAM, NO_HASH, Guard, RecordHead, StreamHead, Verdict
from tensorfleet.domain.model import INITIAL, LiveModel, Model
from tensorfleet.domain.names import MODEL_ID
from tensorfleet.domain.parking import ParkedRecords
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope, OwnershipClaimed
from tensorfleet.events.packing import unpack
from tensorfleet.events.snapshot import FoldState

NOT_EVENTS = (OwnershipClaimed, ModelDownloaded)
WAITING = frozenset({Verdict.ACCEPTED, Verdict.GAP, Verdict.CHAIN})
"""Verdicts of records that may count once what parks their model can be read."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the fold makes of one record.

    `envelope` is None if the bytes could not be decoded; then `verdict` is None too. `problem` says why the record
    can't be decoded or, although it was accepted, not be folded: its model is parked from then on. `waits`: the model
    was parked before, so the record has no effect, accepted or not. `unparked`: it lets its model go on, with the
    state that it had before it was parked.
    """

    verdict: Verdict | None
    envelope: Envelope | None
    problem: str | None = None
    waits: bool = False
    unparked: bool = False

    @property
    def effective(self) -> bool:
        """An accepted event that says what its model is now."""
        return self.verdict is Verdict.ACCEPTED and self.problem is None and not self.waits


def head_of(envelope: Envelope, value: bytes) -> RecordHead:
    return RecordHead(
        model_id=envelope.model_id,
        epoch=envelope.epoch,
        sequence=envelope.sequence,
        previous_hash=envelope.previous_hash,
        hash=hashlib.sha256(value).digest(),
        is_claim=isinstance(envelope.event, OwnershipClaimed),
    )


def model_id_in(key: bytes | None) -> str | None:
    """The model that a record's key names, if it names one."""
    text = (key or b"").decode("ascii", "replace")
    return text if MODEL_ID.fullmatch(text) else None


@dataclass(slots=True)
class LogFold:
    """All models of one partition, as the log says they are. `next_offset` is one past the last record folded.

    `parked` are models that stand still, by id; what the fold has of them is the state before the first parked record.
    `last_hash` is the hash of the last record's value. `packed` are models of a snapshot that nobody asked for yet.
    `latest` is the latest time of an accepted event, in microseconds since 1970.
    """

    codec: Codec
    guard: Guard = field(default_factory=Guard)
    models: dict[str, Model] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    parked: dict[str, ParkedRecords] = field(default_factory=dict)
    next_offset: int = 0
    last_hash: bytes = NO_HASH
    packed: dict[str, str] = field(default_factory=dict)
    latest: int = 0

    def model(self, model_id: str) -> Model:
        packed = self.packed.pop(model_id, None)
        if packed is not None:
            self.models[model_id] = unpack(packed)
        return self.models.get(model_id, INITIAL)

    def peek(self, model_id: str) -> Model:
        """As `model`, for whoever looks at all of them: what is packed stays so."""
        packed = self.packed.get(model_id)
        return self.models.get(model_id, INITIAL) if packed is None else unpack(packed)

    def state(self) -> FoldState:
        """A copy that stays as it is while the fold goes on."""
        return FoldState(
            self.next_offset,
            self.last_hash,
            self.guard.epoch,
            dict(self.guard.streams),
            dict(self.models),
            dict(self.packed),
            dict(self.names),
            dict(self.parked),
            self.latest,
        )

    def restore(self, state: FoldState) -> None:
        """Begin at a state instead of at the log's beginning."""
        self.next_offset, self.last_hash = state.next_offset, state.last_hash
        self.guard = Guard(state.epoch, dict(state.heads))
        self.models, self.packed, self.names = dict(state.models), dict(state.packed), dict(state.names)
        self.parked = dict(state.parked)
        self.latest = state.latest

    def is_live(self, model_id: str) -> bool:
        return isinstance(self.model(model_id), LiveModel)

    def head(self, model_id: str) -> StreamHead:
        return self.guard.streams.get(model_id, EMPTY_STREAM)

    def apply(self, offset: int, key: bytes | None, value: bytes | None, known: Envelope | None = None) -> Judged:
        """Fold one record. `known` spares the decoding of bytes that the caller made itself.

        A record that can't be decoded parks the model that its key names: what follows may build on it.
        """
        self.next_offset = offset + 1
        if known is None:
            try:
                known = self.codec.decode(value or b"")
            except Undecodable as error:
                self.last_hash = hashlib.sha256(value or b"").digest()
                model_id = model_id_in(key)
                if model_id is not None:
                    self._park(model_id, offset)
                return Judged(None, None, str(error))
        head = head_of(known, value or b"")
        self.last_hash = head.hash
        if isinstance(known.event, ModelDownloaded):
            return Judged(None, None, "a download does not belong in the log")
        verdict = self.guard.judge(head)
        if verdict is Verdict.ACCEPTED:
            return self._accepted(offset, known)
        if verdict in WAITING and known.model_id in self.parked:
            self._park(known.model_id, offset)
            return Judged(verdict, known, waits=True)
        return Judged(verdict, known)

    def _accepted(self, offset: int, envelope: Envelope) -> Judged:
        assert not isinstance(envelope.event, NOT_EVENTS)
        model_id = envelope.model_id
        self.names[model_id] = envelope.model_name
        self.latest = max(self.latest, envelope.occurred_at)
        parked = self.parked.get(model_id)
        if parked is not None:
            if parked.discarded_by(envelope.event):
                del self.parked[model_id]
                return Judged(Verdict.ACCEPTED, envelope, unparked=True)
            self._park(model_id, offset)
            return Judged(Verdict.ACCEPTED, envelope, waits=True)
        try:
            self.models[model_id] = evolve(self.model(model_id), envelope.event)
        except Unfoldable as error:
            self._park(model_id, offset)
            return Judged(Verdict.ACCEPTED, envelope, str(error))
        return Judged(Verdict.ACCEPTED, envelope)

    def _park(self, model_id: str, offset: int) -> None:
        parked = self.parked.get(model_id)
        self.parked[model_id] = ParkedRecords(offset, offset) if parked is None else parked.with_next(offset)
