"""One micro-batch: commands decided one after the other against the folded state and what the batch itself adds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from services.command_api.memory import CommandMemory
from services.command_api.submission import CommandKey, Receipt, Submission, receipt_for_nothing
from tensorfleet.domain.decider import decide
from tensorfleet.domain.errors import CommandStillRunning, KeyReused, ModelNotFound, RegistryError
from tensorfleet.domain.events import Event
from tensorfleet.domain.evolution import evolve
from tensorfleet.domain.guard import StreamHead
from tensorfleet.domain.model import Model
from tensorfleet.domain.parking import decide_parked
from tensorfleet.events.envelope import Envelope, Position
from tensorfleet.events.fold import LogFold


@dataclass(frozen=True, slots=True)
class Pending:
    """A record that was sent and not yet read back."""

    submission: Submission
    envelope: Envelope


@dataclass(slots=True)
class Batch:
    """`pending` by the bytes sent, in the order decided; `quiet` holds the decisions that emitted nothing.

    `keys` are those of the pending commands, by command id.
    """

    submissions: list[Submission] = field(default_factory=list)
    pending: dict[bytes, Pending] = field(default_factory=dict)
    quiet: list[tuple[Submission, Receipt | RegistryError]] = field(default_factory=list)
    keys: dict[str, bytes] = field(default_factory=dict)

    def unsettled(self) -> list[Submission]:
        """What has to be decided again if the batch is void, in the order it came."""
        return [one for one in self.submissions if not one.done.done()]

    def settle_quiet(self, memory: CommandMemory, now: int, read_to: Position) -> None:
        """Answer the decisions that emitted nothing; they hold as of `read_to`."""
        for submission, outcome in self.quiet:
            if submission.done.done():
                continue
            if isinstance(outcome, RegistryError):
                outcome.position = str(read_to)
            elif submission.command_hash is not None:
                memory.remember(CommandKey(submission.command_id, submission.command_hash), outcome, now)
            if isinstance(outcome, Receipt):
                submission.done.set_result(outcome)
            else:
                submission.done.set_exception(outcome)


_Stream = tuple[Model, StreamHead, str]
"""A model as the batch has left it so far, its head, and its name."""


@dataclass(slots=True)
class BatchDecider:
    """Decides batches for one partition. `now` gives microseconds since 1970, `new_event_id` UUIDs version 7.

    `latest` is the time of the last event decided.
    """

    fold: LogFold
    memory: CommandMemory
    partition: int
    now: Callable[[], int]
    new_event_id: Callable[[], str]
    latest: int = 0

    def decide_all(self, submissions: Iterable[Submission]) -> Batch:
        batch = Batch(list(submissions))
        overlay: dict[str, _Stream] = {}
        for submission in batch.submissions:
            try:
                self._decide_one(submission, overlay, batch)
            except RegistryError as error:
                batch.quiet.append((submission, error))
        return batch

    def _decide_one(self, one: Submission, overlay: dict[str, _Stream], batch: Batch) -> None:
        if one.command_hash is not None:
            known = self.memory.recall(CommandKey(one.command_id, one.command_hash))
            if known is not None:
                batch.quiet.append((one, known))
                return
            self._refuse_running(one.command_id, one.command_hash, batch)
        model, head, name = overlay.get(one.model_id) or (
            self.fold.model(one.model_id),
            self.fold.head(one.model_id),
            self.fold.names.get(one.model_id, ""),
        )
        if one.names is not None and not one.names.covers(one.model_name or name):
            raise ModelNotFound(one.model_id)
        parked = None if one.model_id in overlay else self.fold.parked.get(one.model_id)
        event: Event | None
        if parked is not None:
            event, after = decide_parked(one.command, parked, one.model_id), model
        else:
            event = decide(one.command, model, one.model_id)
            after = model if event is None else evolve(model, event)
        if event is None:
            read_to = Position(self.partition, max(0, self.fold.next_offset - 1))
            batch.quiet.append((one, receipt_for_nothing(one, model, read_to)))
            return
        envelope = Envelope(
            epoch=self.fold.guard.epoch,
            sequence=head.sequence + 1,
            model_id=one.model_id,
            event_id=self.new_event_id(),
            command_id=one.command_id,
            previous_hash=head.hash,
            model_name=one.model_name or name,
            command_hash=one.command_hash,
            occurred_at=self._next_time(),
            actor=one.actor,
            event=event,
        )
        value = self.fold.codec.encode(envelope)
        batch.pending[value] = Pending(one, envelope)
        if one.command_hash is not None:
            batch.keys[one.command_id] = one.command_hash
        overlay[one.model_id] = (
            after,
            StreamHead(envelope.sequence, hashlib.sha256(value).digest()),
            envelope.model_name,
        )

    def _next_time(self) -> int:
        """Later than every event of the partition, whatever the clocks say: reads of the past cut the log at a time."""
        self.latest = max(self.now(), self.fold.latest + 1, self.latest + 1)
        return self.latest

    def _refuse_running(self, command_id: str, command_hash: bytes, batch: Batch) -> None:
        running = batch.keys.get(command_id)
        if running is None:
            return
        if running != command_hash:
            raise KeyReused("This Idempotency-Key is in use by another request.")
        raise CommandStillRunning("A request with this Idempotency-Key is still running.")
