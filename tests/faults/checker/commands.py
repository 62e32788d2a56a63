"""I1 and I2: what was acknowledged stands in the log once and where it was said to; what was rejected does not."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from tensorfleet.events.envelope import Position
from tests.faults.checker.folded import Accepted, FoldedLog
from tests.faults.checker.history import History, Operation, Outcome
from tests.faults.checker.violations import Kind, Violation


def check_commands(history: History, log: FoldedLog) -> Iterator[Violation]:
    """Operations without an event are left to the streams: only the model's state tells whether that is right."""
    order = AcknowledgedOrder(history, log)
    for one in history.operations:
        found = log.by_command.get(one.command_id, [])
        if len(found) > 1:
            places = ", ".join(str(event.position) for event in found)
            yield Violation(Kind.DOUBLED, one.command_id, f"at {places}")
        elif found:
            yield from _with_event(one, found[0], order)
        for attempt in one.attempts:
            if attempt.status >= 500 and attempt.status not in (503, 504, 507):
                yield Violation(Kind.SERVER_ERROR, one.command_id, f"{attempt.status} {attempt.code}")
    asked = {one.command_id for one in history.operations}
    for event in log.accepted:
        if event.command_id not in asked:
            yield Violation(Kind.PHANTOM, event.command_id, f"at {event.position}")


class AcknowledgedOrder:
    """By partition and time: how far the log had been acknowledged to anyone."""

    def __init__(self, history: History, log: FoldedLog) -> None:
        self._times: dict[int, list[float]] = defaultdict(list)
        self._furthest: dict[int, list[int]] = defaultdict(list)
        acknowledged = [one for one in history.operations if one.last.acknowledged]
        for one in sorted(acknowledged, key=lambda one: one.acknowledged_at):
            for event in log.by_command.get(one.command_id, [])[:1]:
                self._add(one.acknowledged_at, event.position)

    def _add(self, at: float, position: Position) -> None:
        furthest = self._furthest[position.partition]
        furthest.append(max(position.offset, furthest[-1] if furthest else -1))
        self._times[position.partition].append(at)

    def before(self, at: float, partition: int) -> int:
        """The highest offset acknowledged before `at`; -1 for none."""
        index = bisect_left(self._times.get(partition, []), at)
        return self._furthest[partition][index - 1] if index else -1


def _with_event(one: Operation, event: Accepted, order: AcknowledgedOrder) -> Iterator[Violation]:
    earlier = order.before(one.sent_at, event.position.partition)
    if event.position.offset < earlier:
        yield Violation(Kind.OUT_OF_ORDER, one.command_id, f"{event.position} is before {earlier}")
    match one.outcome:
        case Outcome.ACKNOWLEDGED:
            if not _is_at(one, event):
                named = ",".join(map(str, one.last.positions))
                yield Violation(Kind.MISPLACED, one.command_id, f"named {named}, is at {event.position}")
        case Outcome.REJECTED:
            was_there = order.before(one.last.sent_at, event.position.partition) >= event.position.offset
            if was_there or not any(attempt.undecided for attempt in one.attempts):
                text = f"{one.last.status} {one.last.code}, at {event.position}"
                yield Violation(Kind.REJECTED_IN_LOG, one.command_id, text)
        case Outcome.DENIED:
            yield Violation(Kind.DENIED_IN_LOG, one.command_id, f"{one.last.code}, at {event.position}")
        case Outcome.UNKNOWN:
            pass


def _is_at(one: Operation, event: Accepted) -> bool:
    if event.model_id != one.model_id:
        return False
    if not one.in_batch:
        return one.last.positions == (event.position,)
    return any(
        named.partition == event.position.partition and named.offset >= event.position.offset
        for named in one.last.positions
    )
