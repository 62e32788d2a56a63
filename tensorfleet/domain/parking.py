"""When a model's history can't be followed any further: from which record to which it waits, and what ends that.

A model is parked by the first record of it that can't be decoded, or that the guard accepts and that does not fit.
From then on no record of it has an effect; the guard goes on judging them, and accepted ones go on moving the stream.
Only a discard of exactly the records that are parked lets the model go on, from its state before the first of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tensorfleet.domain import limits
from tensorfleet.domain.commands import Command, DiscardParkedRecords
from tensorfleet.domain.errors import InvalidCommand, ModelParked, ParkedRecordsChanged
from tensorfleet.domain.events import ParkedRecordsDiscarded


@dataclass(frozen=True, slots=True)
class ParkedRecords:
    """Offsets in the model's partition, both included. `last_offset` is of the last record of the model so far."""

    first_offset: int
    last_offset: int

    def with_next(self, offset: int) -> ParkedRecords:
        return replace(self, last_offset=offset)

    def discarded_by(self, event: object) -> bool:
        """Whether `event` discards just these. One that was decided before the last of them came does not."""
        return isinstance(event, ParkedRecordsDiscarded) and (event.first_offset, event.last_offset) == (
            self.first_offset,
            self.last_offset,
        )


def decide_parked(command: Command, parked: ParkedRecords, model_id: str) -> ParkedRecordsDiscarded:
    """The event that carries out a command on a parked model: a discard, for it takes no other."""
    if not isinstance(command, DiscardParkedRecords):
        raise ModelParked(model_id)
    problem = limits.text_problem(command.reason, limits.REASON_CHARACTERS, lines=True)
    if not command.reason.strip():
        problem = "is required"
    if problem:
        raise InvalidCommand.of("reason", problem)
    asked = command.first_offset, command.last_offset
    here = parked.first_offset, parked.last_offset
    if any(wanted is not None and wanted != found for wanted, found in zip(asked, here, strict=True)):
        raise ParkedRecordsChanged(model_id, f"now it is those from offset {here[0]} to {here[1]}")
    return ParkedRecordsDiscarded(*here, reason=command.reason)
