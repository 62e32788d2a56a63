"""What the clients did and saw. Times are seconds of one monotonic clock that all clients share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from tensorfleet.domain.commands import Command
from tensorfleet.events.envelope import Position

# Answers 503 and 507 that promise that nothing was changed; every other 5xx, and no answer, leaves it open.
CHANGED_NOTHING: Final = {"log-unavailable", "blobs-unavailable", "read-models-unavailable", "storage-full"}
STILL_RUNNING: Final = "command-still-running"


class Outcome(Enum):
    ACKNOWLEDGED = auto()
    REJECTED = auto()
    DENIED = auto()
    """Every attempt was answered that nothing was changed."""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request. `status` 0: no answer came. `positions` holds one per partition that the answer names."""

    sent_at: float
    ended_at: float
    status: int
    code: str = ""
    positions: tuple[Position, ...] = ()
    projected: bool = False

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def rejected(self) -> bool:
        return 400 <= self.status < 500 and self.code != STILL_RUNNING

    @property
    def undecided(self) -> bool:
        """Whether the command may have been carried out by it all the same."""
        return not self.acknowledged and not self.rejected and self.code not in CHANGED_NOTHING


@dataclass(frozen=True, slots=True)
class Operation:
    """One command with one idempotency key. `in_batch`: the positions are the batch's, at or past its own."""

    client: int
    command_id: str
    model_id: str
    command: Command
    attempts: tuple[Attempt, ...]
    in_batch: bool = False

    @property
    def sent_at(self) -> float:
        return self.attempts[0].sent_at

    @property
    def last(self) -> Attempt:
        """The attempt that decided how it ended, as far as the client knows."""
        return self.attempts[-1]

    @property
    def outcome(self) -> Outcome:
        if self.last.acknowledged:
            return Outcome.ACKNOWLEDGED
        if self.last.rejected:
            return Outcome.REJECTED
        return Outcome.UNKNOWN if any(one.undecided for one in self.attempts) else Outcome.DENIED

    @property
    def acknowledged_at(self) -> float:
        return self.last.ended_at if self.last.acknowledged else float("inf")


@dataclass(frozen=True, slots=True)
class Read:
    """A GET of one model that was answered 200 (`sequence`, `position` are its document's) or 404."""

    client: int
    model_id: str
    sent_at: float
    ended_at: float
    status: int
    sequence: int = 0
    position: Position | None = None
    min_positions: tuple[Position, ...] = ()


@dataclass(frozen=True, slots=True)
class Download:
    """A GET of a file from its first byte. `complete`: all of it arrived; `refused`: an answer 404 came."""

    client: int
    model_id: str
    complete: bool
    refused: bool = False


@dataclass(frozen=True, slots=True)
class History:
    operations: tuple[Operation, ...] = ()
    reads: tuple[Read, ...] = ()
    downloads: tuple[Download, ...] = ()


def command_id_of(idempotency_key: str) -> str:
    """As the command API makes it from the header."""
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]


def command_id_in_batch(idempotency_key: str, index: int) -> str:
    """As the command API makes it for the `index`-th operation of a batch."""
    return hashlib.sha256(f"{command_id_of(idempotency_key)}/{index}".encode()).hexdigest()[:32]
