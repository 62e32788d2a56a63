"""The checks that need a model's states: is each event, each no-op, each rejection and each read what it should be?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from tensorfleet.domain.fitting import Unfoldable
from tensorfleet.domain.names import MODEL_ID
from tests.faults.checker.folded import FoldedLog
from tests.faults.checker.history import History, Operation, Outcome, Read
from tests.faults.checker.reads import Demands, check_reads
from tests.faults.checker.timeline import Timeline
from tests.faults.checker.violations import Kind, Violation


def check_streams(history: History, log: FoldedLog) -> Iterator[Violation]:
    operations: dict[str, list[Operation]] = defaultdict(list)
    reads: dict[str, list[Read]] = defaultdict(list)
    for operation in history.operations:
        operations[operation.model_id].append(operation)
    for read in history.reads:
        reads[read.model_id].append(read)
    by_command = {one.command_id: one for one in history.operations}
    for model_id in sorted({*operations, *reads, *log.by_model}):
        if MODEL_ID.fullmatch(model_id) is None:
            continue
        try:
            timeline = Timeline.of(model_id, log.by_model.get(model_id, []), by_command)
        except Unfoldable as error:
            yield Violation(Kind.PARKED, model_id, str(error))
            continue
        yield from _check_model(timeline, operations[model_id], reads[model_id], log)


def _check_model(
    timeline: Timeline, operations: Iterable[Operation], reads: Iterable[Read], log: FoldedLog
) -> Iterator[Violation]:
    demands = Demands()
    number_of = {event.command_id: number for number, event in enumerate(timeline.events, 1)}
    for one in operations:
        found = log.by_command.get(one.command_id, [])
        if len(found) == 1 and one.command_id in number_of:
            number = number_of[one.command_id]
            yield from _check_content(one, timeline, number)
            demands.note(one, number)
        elif not found and one.outcome is Outcome.ACKNOWLEDGED:
            yield from _check_nothing(one, timeline, demands)
        elif not found and one.outcome is Outcome.REJECTED:
            yield from _check_rejection(one, timeline)
    yield from check_reads(timeline, reads, demands)


def _check_content(one: Operation, timeline: Timeline, number: int) -> Iterator[Violation]:
    """The event is what the real decider makes of the command in the state before it."""
    expected = timeline.decision(one.command, number - 1)
    if expected != timeline.envelopes[number - 1].event:
        place = timeline.events[number - 1].position
        yield Violation(Kind.DISTORTED, one.command_id, f"{type(one.command).__name__} at {place}")


def _check_nothing(one: Operation, timeline: Timeline, demands: Demands) -> Iterator[Violation]:
    """Acknowledged without an event: right only if what it asked for was already so.

    At any time since it was first asked for: a retry gets the first answer again, which nobody may have heard.
    """
    window = timeline.window(one.sent_at, one.last.ended_at)
    fulfilled = [number for number in window if timeline.decision(one.command, number) is None]
    if fulfilled:
        demands.note(one, fulfilled[0])
    else:
        text = f"{type(one.command).__name__} of {one.model_id}, {one.last.status}"
        yield Violation(Kind.LOST, one.command_id, text)


def _check_rejection(one: Operation, timeline: Timeline) -> Iterator[Violation]:
    window = timeline.window(one.last.sent_at, one.last.ended_at)
    if all(timeline.decision(one.command, number) != one.last.code for number in window):
        text = f"{type(one.command).__name__} of {one.model_id}: {one.last.status} {one.last.code}"
        yield Violation(Kind.UNJUSTIFIED, one.command_id, text)
