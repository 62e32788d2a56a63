"""The owner of one partition: claims it in the log, appends batches under its epoch, settles what it reads back.

One batch is in flight at a time. Everything here runs on the event loop; the log is behind the `Log` port. The
states and rules are those of docs/architecture.md, "Ownership".
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final, Protocol

from services.command_api.batch import Batch, BatchDecider, Pending
from services.command_api.memory import CommandMemory
from services.command_api.submission import CommandKey, NotTheOwner, Receipt, Submission, receipt_for
from tensorfleet.domain.errors import LogHalted, LogUnavailable, OutcomeUnknown, ParkedRecordsChanged, RegistryError
from tensorfleet.domain.events import ModelRegistered, ParkedRecordsDiscarded
from tensorfleet.domain.guard import NO_HASH, Verdict
from tensorfleet.events.envelope import Envelope, OwnershipClaimed, Position
from tensorfleet.events.fold import Judged, LogFold

_LOG = logging.getLogger(__name__)
MOST_IN_BATCH: Final = 500
MOST_QUEUED: Final = 10_000
_READ_BACK_SECONDS: Final = 5.0
_CLAIM_AGAIN_SECONDS: Final = (0.05, 0.25)
_VOID: Final = {Verdict.STALE, Verdict.GAP, Verdict.REPEAT, Verdict.CHAIN}
CLAIM_KEY: Final = b"ownership"


class State(StrEnum):
    REPLAYING = "replaying"
    FOLLOWING = "following"
    CLAIMING = "claiming"
    OWNING = "owning"
    SUSPECT = "suspect"
    HALTED = "halted"


class Log(Protocol):
    """The partition's end of the log."""

    def append(
        self, envelope: Envelope, value: bytes, traceparent: str | None, failed: Callable[[LogUnavailable], None]
    ) -> None:
        """Send a record, in the order of the calls, and return at once.

        `failed` is called later if Kafka reports an error; that the record was taken shows only by reading it.
        LogUnavailable if the client can't even queue it.
        """

    async def end(self) -> int:
        """The offset after the last record, asked from Kafka after the call began. LogUnavailable."""


class Observer(Protocol):
    """What the owner tells its metrics."""

    def judged(self, partition: int, verdict: str) -> None: ...
    def state_changed(self, partition: int, state: str) -> None: ...
    def registered(self, algorithm: str) -> None: ...


def _without_effect(sent: Pending) -> RegistryError:
    """A record that nobody can read came in between: what was sent after it waits behind it."""
    envelope = sent.envelope
    if isinstance(envelope.event, ParkedRecordsDiscarded):
        return ParkedRecordsChanged(envelope.model_id, "another one came in between")
    return OutcomeUnknown(
        "The command is in the log, behind a record that can't be read. It takes effect or not when an operator has "
        "dealt with that one: see docs/runbooks/dead-letters.md."
    )


class Partition:
    """`url` is where this instance takes commands, `instance_id` a UUID of this process."""

    def __init__(
        self,
        number: int,
        fold: LogFold,
        log: Log,
        memory: CommandMemory,
        observer: Observer,
        *,
        url: str,
        instance_id: str,
        now: Callable[[], int],
        new_event_id: Callable[[], str],
    ) -> None:
        self.number = number
        self.fold = fold
        self.state = State.REPLAYING
        self._owner: OwnershipClaimed | None = None
        self._log = log
        self._memory = memory
        self._observer = observer
        self._url = url
        self._instance_id = instance_id
        self._now = now
        self._new_event_id = new_event_id
        self._decider = BatchDecider(fold, memory, number, now, new_event_id)
        self._loop = asyncio.get_running_loop()
        self._licensed = False
        self._claim_id: str | None = None
        self._queue: deque[Submission] = deque()
        self._batch: Batch | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._next_claim: asyncio.Future[None] = self._loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def serves(self) -> bool:
        """Whether commands can be carried out, here or by an owner that is known."""
        return self.state is State.OWNING or (self.state is State.FOLLOWING and self.elsewhere is not None)

    @property
    def elsewhere(self) -> str | None:
        """Where the owner takes commands, if another instance is known to be it."""
        if self._owner is None or self._owner.instance_id == self._instance_id:
            return None
        return self._owner.url

    @property
    def next_claim(self) -> asyncio.Future[None]:
        """Done when the owner changes from the one that is known now; shared, so never to be cancelled."""
        return self._next_claim

    async def read_to_end(self) -> None:
        """Return when the fold holds all that the log held when this was called. LogUnavailable, TimeoutError."""
        async with asyncio.timeout(_READ_BACK_SECONDS):
            await self._read_to(await self._log.end())

    @property
    def queued(self) -> int:
        return len(self._queue) + (len(self._batch.pending) if self._batch else 0)

    def halt(self, error: LogHalted) -> None:
        """Own nothing and append nothing any more. What is not settled is refused."""
        waiting = [*(self._batch.unsettled() if self._batch else ()), *self._queue]
        self._batch, self._claim_id = None, None
        self._queue.clear()
        self._licensed = False
        self._become(State.HALTED)
        for one in waiting:
            if not one.done.done():
                one.done.set_exception(error)

    def submit(self, submission: Submission) -> None:
        """Take a command, and decide it with all others of the same moment; its `done` is settled in time.

        NotTheOwner if we neither own the partition nor try to. LogUnavailable if MOST_QUEUED are waiting, whether they
        came from clients or from other instances.
        """
        if self.state is State.FOLLOWING and not self._licensed:
            raise NotTheOwner(self.elsewhere)
        if self.queued >= MOST_QUEUED:
            raise LogUnavailable("Too many commands wait for this partition.")
        self._queue.append(submission)
        self._loop.call_soon(self.pump)

    def pump(self) -> None:
        """Start the next batch, if we own the partition and none is in flight."""
        if self.state is not State.OWNING or self._batch is not None:
            return
        taken: list[Submission] = []
        while self._queue and len(taken) < MOST_IN_BATCH:
            submission = self._queue.popleft()
            if not submission.done.done():
                taken.append(submission)
        if not taken:
            return
        batch = self._batch = self._decider.decide_all(taken)
        if batch.pending:
            self._send(batch)
        else:
            self._spawn(self._settle_after_end(batch))

    def withdraw(self, submission: Submission) -> bool:
        """Take back a command that was not sent. False if it was: then only the log knows how it ends."""
        if self._batch is not None and any(one.submission is submission for one in self._batch.pending.values()):
            return False
        if submission in self._queue:
            self._queue.remove(submission)
        return True

    def set_licence(self, held: bool) -> None:
        if self.state is State.HALTED:
            return
        self._licensed = held
        if held and self.state is State.FOLLOWING:
            self._claim(State.CLAIMING)

    def caught_up(self) -> None:
        """The reader has reached the partition's end for the first time."""
        if self.state is State.REPLAYING:
            self._become(State.FOLLOWING)
            if self._licensed:
                self._claim(State.CLAIMING)
            else:
                self._send_away()

    def read(self, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Fold one record of the log and settle the command that it answers, if it is one of ours."""
        if self.state is State.HALTED:
            return
        sent = self._batch.pending.pop(value, None) if self._batch is not None and value is not None else None
        judged = self.fold.apply(offset, key, value, sent.envelope if sent else None)
        self._observer.judged(self.number, judged.verdict or "unreadable")
        if judged.verdict is Verdict.ACCEPTED:
            self._accepted(judged, offset, sent)
        elif judged.verdict is Verdict.CLAIM:
            self._owner_changed(judged)
        elif judged.verdict is Verdict.CLAIM_IGNORED:
            self._claim_ignored(judged)
        elif judged.verdict in _VOID:
            if sent is not None:
                self._queue.appendleft(sent.submission)
            self._void_read(judged)
        self._wake_waiters()
        answered = sent is not None and judged.verdict is Verdict.ACCEPTED
        if answered and self._batch is not None and not self._batch.pending:
            self._finish_batch()

    def _accepted(self, judged: Judged, offset: int, sent: Pending | None) -> None:
        if judged.problem is not None:
            _LOG.error("partition %d: the record at %d parks its model: %s", self.number, offset, judged.problem)
        if not judged.effective:
            if sent is not None and not sent.submission.done.done():
                sent.submission.done.set_exception(_without_effect(sent))
            return
        receipt = self._remember(judged, offset)
        if sent is not None:
            self._answer(sent, receipt)

    def _answer(self, sent: Pending, receipt: Receipt) -> None:
        if isinstance(sent.envelope.event, ModelRegistered):
            self._observer.registered(sent.envelope.event.algorithm)
        if not sent.submission.done.done():
            sent.submission.done.set_result(receipt)

    def _remember(self, judged: Judged, offset: int) -> Receipt:
        envelope = judged.envelope
        assert envelope is not None
        model = self.fold.model(envelope.model_id)
        receipt = receipt_for(envelope, model, Position(self.number, offset))
        if envelope.command_hash is not None:
            key = CommandKey(envelope.command_id, envelope.command_hash)
            self._memory.remember(key, receipt, envelope.occurred_at)
        return receipt

    def _owner_changed(self, judged: Judged) -> None:
        assert judged.envelope is not None
        claim = judged.envelope.event
        assert isinstance(claim, OwnershipClaimed)
        self._owner = claim
        self._next_claim.set_result(None)
        self._next_claim = self._loop.create_future()
        if self.state is State.REPLAYING:
            return
        # Whatever was sent before this claim and not read yet carries an older epoch: it is void for ever.
        self._take_back_batch()
        if judged.envelope.event_id == self._claim_id:
            self._claim_id = None
            self._become(State.OWNING)
            self.pump()
        elif self._licensed:
            self._become(State.CLAIMING)
            self._claim_later()
        else:
            self._become(State.FOLLOWING)
            self._send_away()

    def _claim_ignored(self, judged: Judged) -> None:
        if judged.envelope is not None and judged.envelope.event_id == self._claim_id:
            self._claim_later()

    def _void_read(self, judged: Judged) -> None:
        """A void record under the epoch that we hold: memory and log disagree."""
        envelope = judged.envelope
        if envelope is not None and self.state is State.OWNING and envelope.epoch == self.fold.guard.epoch:
            self._suspect(f"read a record of our own epoch that is void ({judged.verdict})")

    def _send(self, batch: Batch) -> None:
        def failed(error: LogUnavailable) -> None:
            if self._batch is batch and self.state is State.OWNING:
                self._suspect(error.detail)

        try:
            for value, pending in batch.pending.items():
                self._log.append(pending.envelope, value, pending.submission.traceparent, failed)
        except LogUnavailable as error:
            self._suspect(error.detail)
            return
        self._loop.call_later(_READ_BACK_SECONDS, self._overdue, batch)

    def _overdue(self, batch: Batch) -> None:
        if self._batch is batch and self.state is State.OWNING:
            self._suspect(f"a batch was not read back within {_READ_BACK_SECONDS} s")

    async def _settle_after_end(self, batch: Batch) -> None:
        """Answer decisions that emitted nothing, once the fold holds all that the log held after them.

        Otherwise an owner that was fenced off and does not know it yet could deny what is true.
        """
        try:
            await self.read_to_end()
        except (LogUnavailable, TimeoutError) as error:
            if self._batch is batch and self.state is State.OWNING:
                self._suspect(f"the log's end was not reached: {error}")
            return
        if self._batch is batch and self.state is State.OWNING:
            self._finish_batch()

    async def _read_to(self, offset: int) -> None:
        if self.fold.next_offset < offset:
            reached: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append((offset, reached))
            await reached

    def _wake_waiters(self) -> None:
        if self._waiters:
            for offset, reached in self._waiters:
                if offset <= self.fold.next_offset and not reached.done():
                    reached.set_result(None)
            self._waiters = [one for one in self._waiters if not one[1].done()]

    def _finish_batch(self) -> None:
        assert self._batch is not None
        self._batch.settle_quiet(self._memory, self._now(), Position(self.number, max(0, self.fold.next_offset - 1)))
        self._batch = None
        self.pump()

    def _suspect(self, reason: str) -> None:
        """We may not own the partition any more: stop, claim it anew, and let the log tell what happened."""
        _LOG.warning("partition %d is suspect: %s", self.number, reason)
        self._claim(State.SUSPECT)

    def _claim(self, state: State) -> None:
        self._become(state)
        claim_id = self._claim_id = self._new_event_id()
        envelope = Envelope(
            epoch=self.fold.guard.epoch + 1,
            sequence=0,
            model_id="",
            event_id=claim_id,
            command_id="",
            previous_hash=NO_HASH,
            model_name="",
            command_hash=None,
            occurred_at=self._now(),
            actor="registry",
            event=OwnershipClaimed(self._url, self._instance_id),
        )

        def failed(_: LogUnavailable) -> None:
            if self._claim_id == claim_id:
                self._claim_later()

        try:
            self._log.append(envelope, self.fold.codec.encode(envelope), None, failed)
        except LogUnavailable:
            self._claim_later()
            return
        self._loop.call_later(_READ_BACK_SECONDS, self._claim_overdue, claim_id)

    def _claim_overdue(self, claim_id: str) -> None:
        if self._claim_id == claim_id:
            self._claim_later()

    def _claim_later(self) -> None:
        """Claim again after a random while, so that two that duel do not meet again."""
        self._claim_id = None
        state = self.state
        self._loop.call_later(random.uniform(*_CLAIM_AGAIN_SECONDS), self._claim_if_still, state)  # noqa: S311

    def _claim_if_still(self, state: State) -> None:
        if self.state is not state or self._claim_id is not None:
            return
        if state is State.SUSPECT or self._licensed:
            self._claim(state)
        elif state is State.CLAIMING:
            self._become(State.FOLLOWING)
            self._send_away()

    def _take_back_batch(self) -> None:
        """Put what is still unsettled back to the front of the queue, to be decided again from the new state."""
        if self._batch is not None:
            self._queue.extendleft(reversed(self._batch.unsettled()))
            self._batch = None

    def _send_away(self) -> None:
        """Another instance owns the partition: whoever waits here is told so, and goes there with the same key."""
        while self._queue:
            submission = self._queue.popleft()
            if not submission.done.done():
                submission.done.set_exception(NotTheOwner(self.elsewhere))

    def _become(self, state: State) -> None:
        if self.state is not state:
            _LOG.info("partition %d: %s -> %s (epoch %d)", self.number, self.state, state, self.fold.guard.epoch)
        self.state = state
        self._observer.state_changed(self.number, state)

    def _spawn(self, work: asyncio._CoroutineLike[None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            raise task.exception()  # type: ignore[misc]
