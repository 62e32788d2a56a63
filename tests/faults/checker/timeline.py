"""One model through time: its states by the log, and which of them a client may have met when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tensorfleet.domain.commands import Command
from tensorfleet.domain.decider import decide
from tensorfleet.domain.errors import RegistryError
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.model import INITIAL, Model
from tensorfleet.events.envelope import Envelope
from tests.faults.checker.folded import CODEC, Accepted
from tests.faults.checker.history import Operation


@dataclass(frozen=True, slots=True)
class Timeline:
    """`states[n]` is the state after `n` events. A decision taken between two times met one of `window`'s numbers."""

    model_id: str
    events: Sequence[Accepted]
    envelopes: Sequence[Envelope]
    states: Sequence[Model]
    acknowledged_at: Sequence[float]
    sent_at: Sequence[float]

    @classmethod
    def of(cls, model_id: str, events: Sequence[Accepted], operations: Mapping[str, Operation]) -> Timeline:
        """Unfoldable if an event does not fit the state before it."""
        envelopes = [CODEC.decode(event.value) for event in events]
        states: list[Model] = [INITIAL]
        for envelope in envelopes:
            states.append(evolve(states[-1], envelope.event))  # type: ignore[arg-type]
        known = [operations.get(event.command_id) for event in events]
        acknowledged = [one.acknowledged_at if one else float("inf") for one in known]
        sent = [one.sent_at if one else float("-inf") for one in known]
        return cls(model_id, events, envelopes, states, acknowledged, sent)

    def window(self, began: float, ended: float) -> range:
        """What was acknowledged before `began` is in the state; what was asked for after `ended` is not."""
        least = max((n for n, at in enumerate(self.acknowledged_at, 1) if at < began), default=0)
        most = next((n for n, at in enumerate(self.sent_at) if at >= ended), len(self.events))
        return range(least, max(least, most) + 1)

    def decision(self, command: Command, number: int) -> object:
        """What `command` meets in the state after `number` events: an event, None, or the error's code."""
        try:
            return decide(command, self.states[number], self.model_id)
        except RegistryError as error:
            return error.code
