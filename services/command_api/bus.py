"""The command bus: takes a command to the partition of its model and waits, within bounds, for its receipt."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from services.command_api.forwarder import Forwarder
from services.command_api.memory import CommandMemory
from services.command_api.partition import Partition, State
from services.command_api.submission import CommandKey, NotTheOwner, OwnerUnreachable, Receipt, Submission
from tensorfleet.access.principal import NamePrefix
from tensorfleet.domain import names
from tensorfleet.domain.commands import Command, UpdateModel
from tensorfleet.domain.errors import (
    CommandStillRunning,
    KeyReused,
    LogHalted,
    LogUnavailable,
    ModelNotFound,
    OutcomeUnknown,
)
from tensorfleet.domain.model import Model
from tensorfleet.domain.versions import ModelVersion
from tensorfleet.kafka.follower import Burst
from tensorfleet.kafka.records import EndOfPartition

_OWNER_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what ties the request to others. `key` is None without an idempotency key.

    `names`: models whose names it does not cover are not there for this caller; None covers all. `known`: the caller
    has shown a key, so what it says of itself does not count.
    """

    actor: str
    key: CommandKey | None = None
    traceparent: str | None = None
    names: NamePrefix | None = None
    known: bool = False

    def sees(self, name: str | None) -> bool:
        return self.names is None or (name is not None and self.names.covers(name))


class CommandBus:
    """`timeout_seconds` bounds how long a command waits for its outcome."""

    def __init__(
        self,
        partitions: Sequence[Partition],
        memory: CommandMemory,
        forwarder: Forwarder,
        timeout_seconds: float,
        now: Callable[[], int],
    ) -> None:
        self._partitions = partitions
        self._memory = memory
        self._forwarder = forwarder
        self._now = now
        self._halted: str | None = None
        self._timeout = timeout_seconds
        self._running: dict[str, bytes] = {}
        self.replayed = asyncio.Event()
        """Set once every partition was read to where it ended."""

    def on_burst(self, burst: Burst) -> None:
        """Feed what the follower read to the partitions."""
        for record in burst:
            partition = self._partitions[record.partition]
            if isinstance(record, EndOfPartition):
                partition.caught_up()
                if all(one.state is not State.REPLAYING for one in self._partitions):
                    self.replayed.set()
            else:
                partition.read(record.offset, record.key, record.value)

    def on_licence(self, partition: int, held: bool) -> None:
        if partition < len(self._partitions):  # more of them are noticed as a changed log
            self._partitions[partition].set_licence(held)

    def halt(self, reason: str) -> None:
        """Carry out nothing any more."""
        self._halted = reason
        for one in self._partitions:
            one.halt(LogHalted(reason))

    @property
    def partitions(self) -> Sequence[Partition]:
        return self._partitions

    @property
    def ready(self) -> bool:
        return all(one.serves for one in self._partitions)

    async def require(self, model_id: str, version: ModelVersion | None, caller: Caller) -> Receipt:
        """ModelNotFound, VersionNotFound; the owner decides it, by a command that changes nothing."""
        asking = Caller("registry", names=caller.names)
        return await self.execute(UpdateModel(version=version), model_id, None, asking)

    def name_of(self, model_id: str) -> str | None:
        """The model's name, if this instance has read it already."""
        return self._partition(model_id).fold.names.get(model_id)

    def model_as_folded(self, model_id: str) -> Model:
        """The model as far as this instance has read: a hint."""
        return self._partition(model_id).fold.model(model_id)

    def require_caught_up(self, model_id: str) -> None:
        """LogUnavailable while this instance still reads what was in the model's partition when it started."""
        if self._partition(model_id).state is State.REPLAYING:
            raise LogUnavailable("This instance has not read the log yet.")

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

    def remember(self, key: CommandKey, receipt: Receipt) -> None:
        """While this process lives; the keys of the parts are in the log."""
        self._memory.remember(key, receipt, self._now())

    @contextmanager
    def reserve(self, key: CommandKey | None, parts: Sequence[CommandKey | None]) -> Iterator[None]:
        """Hold the key of a request that is carried out under the keys `parts`. KeyReused, CommandStillRunning."""
        if key is None:
            yield
            return
        for one in (key, *parts):
            self.recall(one)
        self._running[key.command_id] = key.hash
        try:
            yield
        finally:
            del self._running[key.command_id]

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
            receipt = await self._submit(command, model_id, model_name, caller)
        finally:
            if caller.key is not None:
                del self._running[caller.key.command_id]
        # Without a key of the client, only we can have repeated it.
        return receipt if caller.key is not None else replace(receipt, replayed=False)

    async def _submit(self, command: Command, model_id: str, model_name: str | None, caller: Caller) -> Receipt:
        """Here, or at the owner; after a hand-over again, with the same command id, until the deadline."""
        if self._halted is not None:
            raise LogHalted(self._halted)
        partition = self._partition(model_id)
        command_id = caller.key.command_id if caller.key else uuid.uuid4().hex
        deadline = asyncio.get_running_loop().time() + self._timeout
        sent = False
        while True:
            submission = self._submission(command, model_id, model_name, command_id, caller)
            if sent:
                submission = submission.known_again()
            try:
                return await carried_out(partition, submission, deadline)
            except NotTheOwner as away:
                owner = away.owner_url
            if owner is not None:
                try:
                    return await self._there(partition, owner, submission.known_again(), deadline, again=sent)
                except OwnerUnreachable as error:
                    sent = sent or error.sent
                except NotTheOwner:
                    pass
            if asyncio.get_running_loop().time() + _OWNER_POLL_SECONDS >= deadline:
                raise too_late(not_sent=not sent)
            await asyncio.sleep(_OWNER_POLL_SECONDS)

    async def _there(
        self, partition: Partition, owner: str, submission: Submission, deadline: float, *, again: bool
    ) -> Receipt:
        """Forward, and give up on an owner that someone else has followed meanwhile: it may be frozen.

        `again`: an owner may have this command already, under the same id.
        """
        seconds = deadline - asyncio.get_running_loop().time()
        sending = asyncio.ensure_future(self._forwarder.send(owner, partition.number, submission, seconds))
        racing: set[asyncio.Future[Any]] = {sending, partition.next_claim}
        try:
            await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise OwnerUnreachable(sent=True)
            return sending.result()
        except CommandStillRunning:
            if not again:
                raise
            raise OwnerUnreachable(sent=True) from None
        finally:
            sending.cancel()
            # What it still says is of no interest; left unread, it would end the process.
            sending.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def _submission(
        self, command: Command, model_id: str, model_name: str | None, command_id: str, caller: Caller
    ) -> Submission:
        return Submission(
            model_id=model_id,
            model_name=model_name or "",
            command=command,
            command_id=command_id,
            command_hash=caller.key.hash if caller.key else None,
            actor=caller.actor,
            traceparent=caller.traceparent,
            names=caller.names,
            done=asyncio.get_running_loop().create_future(),
        )

    def _partition(self, model_id: str) -> Partition:
        if not names.MODEL_ID.fullmatch(model_id):
            raise ModelNotFound(model_id)
        return self._partitions[names.partition_of(model_id, len(self._partitions))]


async def carried_out(partition: Partition, submission: Submission, deadline: float) -> Receipt:
    """What came of the command, by the `deadline` on the event loop's clock. Any RegistryError, NotTheOwner."""
    partition.submit(submission)
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(submission.done)
    except TimeoutError:
        if submission.done.done() and not submission.done.cancelled():
            return submission.done.result()
        not_sent = partition.withdraw(submission)
        submission.done.cancel()
        raise too_late(not_sent) from None


def too_late(not_sent: bool) -> LogUnavailable | OutcomeUnknown:
    """What to tell whoever waits for a command that has not ended in time."""
    if not_sent:
        return LogUnavailable("The log did not take the command in time. Nothing was changed.")
    return OutcomeUnknown(
        "The command was sent to the log, which has not confirmed it in time. Ask again with the same "
        "Idempotency-Key: it is carried out once."
    )
