"""The rules of docs/architecture.md, "Ownership", a second time: a checker that asked the registry's own guard would
believe whatever that guard believes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.fitting import Unfoldable
from tensorfleet.domain.model import INITIAL, Model
from tensorfleet.events.catalogue import Catalogue
from tensorfleet.events.codec import Codec, Undecodable
from tensorfleet.events.envelope import Envelope, OwnershipClaimed

CODEC = Codec(Catalogue())
ACCEPTED = "accepted"
_EMPTY = (0, bytes(32))


@dataclass(slots=True)
class RuledPartition:
    """One partition, record by record: its epoch, the sequence and hash that each stream ends with, its models."""

    epoch: int = 0
    streams: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    parked: set[str] = field(default_factory=set)

    def take(self, value: bytes) -> tuple[str, Envelope | None]:
        """The verdict on the next record, and what it says if it can be decoded."""
        try:
            one = CODEC.decode(value)
        except Undecodable:
            return "unreadable", None
        if isinstance(one.event, OwnershipClaimed):
            return self._claim(one), one
        verdict = self._judge(one)
        if verdict == ACCEPTED:
            self.streams[one.model_id] = (one.sequence, hashlib.sha256(value).digest())
            self._evolve(one)
        return verdict, one

    def _claim(self, one: Envelope) -> str:
        if one.epoch != self.epoch + 1:
            return "claim-ignored"
        self.epoch = one.epoch
        return "claim"

    def _judge(self, one: Envelope) -> str:
        sequence, last_hash = self.streams.get(one.model_id, _EMPTY)
        if one.epoch != self.epoch:
            return "stale"
        if one.sequence <= sequence:
            return "repeat"
        if one.sequence > sequence + 1:
            return "gap"
        return ACCEPTED if one.previous_hash == last_hash else "chain"

    def _evolve(self, one: Envelope) -> None:
        try:
            self.models[one.model_id] = evolve(self.model(one.model_id), one.event)  # type: ignore[arg-type]
        except Unfoldable:
            self.parked.add(one.model_id)

    def model(self, model_id: str) -> Model:
        return self.models.get(model_id, INITIAL)
