"""The command bus: takes a command to the partition of its model and waits, within bounds, for its receipt."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from services.command_api.memory import CommandMemory
from services.command_api.partition import Partition, State
from services.command_api.submission import CommandKey, NotTheOwner, Receipt, Submission
from tensorfleet.domain import names
from tensorfleet.domain.commands import Command
from tensorfleet.domain.errors import (
    CommandStillRunning,
    KeyReused,
    LogUnavailable,
    ModelNotFound,
    OutcomeUnknown,
)
from tensorfleet.domain.model import Model, NeverRegistered
from tensorfleet.kafka.follower import Burst
from tensorfleet.kafka.records import EndOfPartition

MOST_QUEUED = 10_000
_OWNER_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what ties the request to others. `key` is None without an idempotency key."""

    actor: str
    key: CommandKey | None = None
    traceparent: str | None = None


class CommandBus:
    """`timeout_seconds` bounds how long a command waits for its outcome."""

    def __init__(self, partitions: Sequence[Partition], memory: CommandMemory, timeout_seconds: float) -> None:
        self._partitions = partitions
        self._memory = memory
        self._timeout = timeout_seconds
        self._running: dict[str, bytes] = {}

    def on_burst(self, burst: Burst) -> None:
        """Feed what the follower read to the partitions."""
        for record in burst:
            partition = self._partitions[record.partition]
            if isinstance(record, EndOfPartition):
                partition.caught_up()
            else:
                partition.read(record.offset, record.value)

    def on_licence(self, partition: int, held: bool) -> None:
        self._partitions[partition].set_licence(held)

    @property
    def partitions(self) -> Sequence[Partition]:
        return self._partitions

    @property
    def ready(self) -> bool:
        return all(one.state is State.OWNING for one in self._partitions)

    def model(self, model_id: str) -> tuple[str, Model]:
        """Name and state as folded now. ModelNotFound if the name was never registered, as far as is folded."""
        fold = self._partition(model_id).fold
        model = fold.model(model_id)
        if isinstance(model, NeverRegistered):
            raise ModelNotFound(model_id)
        return fold.names[model_id], model

    def is_live(self, model_id: str) -> bool:
        """Whether the name is taken, as far as is folded: a hint, not a decision."""
        return self._partition(model_id).fold.is_live(model_id)

    def recall(self, key: CommandKey | None) -> Receipt | None:
        """The receipt of this very request, if it was carried out before. KeyReused, CommandStillRunning."""
        if key is None:
            return None
        known = self._memory.recall(key)
        if known is None and key.command_id in self._running:
            if self._running[key.command_id] != key.hash:
                raise KeyReused("This Idempotency-Key is in use by another request.")
            raise CommandStillRunning("A request with this Idempotency-Key is still running.")
        return known

    async def execute(self, command: Command, model_id: str, model_name: str | None, caller: Caller) -> Receipt:
        """Carry out one command and return its receipt, or raise why not.

        LogUnavailable: it was not sent, and never will be. OutcomeUnknown: it was sent, and the log has not told in
        time how it ended. Any domain error: it was rejected, as of the log's end.
        """
        known = self.recall(caller.key)
        if known is not None:
            return known
        if caller.key is not None:
            self._running[caller.key.command_id] = caller.key.hash
        try:
            return await self._submit(command, model_id, model_name, caller)
        finally:
            if caller.key is not None:
                del self._running[caller.key.command_id]

    async def _submit(self, command: Command, model_id: str, model_name: str | None, caller: Caller) -> Receipt:
        partition = self._partition(model_id)
        deadline = asyncio.get_running_loop().time() + self._timeout
        while True:
            if partition.queued >= MOST_QUEUED:
                raise LogUnavailable("Too many commands wait for this partition.")
            submission = self._submission(command, model_id, model_name, caller)
            try:
                partition.submit(submission)
                async with asyncio.timeout_at(deadline):
                    return await asyncio.shield(submission.done)
            except NotTheOwner as away:
                await self._await_owner(partition, away, deadline)
            except TimeoutError:
                if submission.done.done() and not submission.done.cancelled():
                    return submission.done.result()
                not_sent = partition.withdraw(submission)
                submission.done.cancel()
                raise _too_late(not_sent) from None

    async def _await_owner(self, partition: Partition, away: NotTheOwner, deadline: float) -> None:
        if asyncio.get_running_loop().time() + _OWNER_POLL_SECONDS >= deadline:
            raise LogUnavailable(f"Partition {partition.number} has no owner here yet.") from away
        await asyncio.sleep(_OWNER_POLL_SECONDS)

    def _submission(self, command: Command, model_id: str, model_name: str | None, caller: Caller) -> Submission:
        done: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        name = model_name if model_name is not None else self._partition(model_id).fold.names.get(model_id, "")
        return Submission(
            model_id=model_id,
            model_name=name,
            command=command,
            command_id=caller.key.command_id if caller.key else uuid.uuid4().hex,
            command_hash=caller.key.hash if caller.key else None,
            actor=caller.actor,
            traceparent=caller.traceparent,
            done=done,
        )

    def _partition(self, model_id: str) -> Partition:
        if not names.MODEL_ID.fullmatch(model_id):
            raise ModelNotFound(model_id)
        return self._partitions[names.partition_of(model_id, len(self._partitions))]


def _too_late(not_sent: bool) -> LogUnavailable | OutcomeUnknown:
    if not_sent:
        return LogUnavailable("The log did not take the command in time. Nothing was changed.")
    return OutcomeUnknown(
        "The command was sent to the log, which has not confirmed it in time. Ask again with the same "
        "Idempotency-Key: it is carried out once."
    )
