"""I5 and I9: reads contain what they must, never go back, and show only what the log had."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tensorfleet.domain.model import LiveModel
from tests.faults.checker.history import Operation, Read
from tests.faults.checker.timeline import Timeline
from tests.faults.checker.violations import Kind, Violation


@dataclass(slots=True)
class Demands:
    """From which time on every read of the model must show at least so many events."""

    _noted: list[tuple[float, int]] = field(default_factory=list)

    def note(self, one: Operation, number: int) -> None:
        """An answer that says that the read models contain it."""
        if one.last.acknowledged and one.last.projected:
            self._noted.append((one.last.ended_at, number))

    def by_time(self) -> Rising:
        return Rising.of(self._noted)


@dataclass(frozen=True, slots=True)
class Rising:
    """The highest number so far, by time."""

    times: list[float]
    numbers: list[int]

    @classmethod
    def of(cls, points: Iterable[tuple[float, int]]) -> Rising:
        rising = cls([], [])
        for at, number in sorted(points):
            rising.times.append(at)
            rising.numbers.append(max(number, rising.numbers[-1] if rising.numbers else 0))
        return rising

    def before(self, at: float) -> int:
        index = bisect_left(self.times, at)
        return self.numbers[index - 1] if index else 0


def check_reads(timeline: Timeline, reads: Iterable[Read], demands: Demands) -> Iterator[Violation]:
    reads = list(reads)
    demanded = demands.by_time()
    shown = Rising.of((one.ended_at, one.sequence) for one in reads if one.status == 200)
    offsets = [event.position.offset for event in timeline.events]
    for one in reads:
        if one.status == 200 and not _is_state(one, timeline):
            text = f"sequence {one.sequence} at {one.position}"
            yield Violation(Kind.INVENTED_READ, one.model_id, text)
            continue
        named = max((_events_until(one, offsets, timeline, i) for i in range(len(one.min_positions))), default=0)
        if not _shows(one, max(named, demanded.before(one.sent_at)), timeline):
            wanted = f"shows {one.sequence or one.status}, must show {max(named, demanded.before(one.sent_at))}"
            yield Violation(Kind.STALE_READ, one.model_id, wanted)
        elif not _shows(one, shown.before(one.sent_at), timeline):
            text = f"shows {one.sequence or one.status} after {shown.before(one.sent_at)}"
            yield Violation(Kind.WENT_BACK, one.model_id, text)


def _is_state(read: Read, timeline: Timeline) -> bool:
    if not 0 < read.sequence <= len(timeline.events):
        return False
    at_its_place = timeline.events[read.sequence - 1].position == read.position
    return at_its_place and isinstance(timeline.states[read.sequence], LiveModel)


def _events_until(read: Read, offsets: list[int], timeline: Timeline, index: int) -> int:
    """How many events of the model stand at or before a position that the read named."""
    named = read.min_positions[index]
    if not timeline.events or named.partition != timeline.events[0].position.partition:
        return 0
    return bisect_right(offsets, named.offset)


def _shows(read: Read, least: int, timeline: Timeline) -> bool:
    if read.status == 200:
        return read.sequence >= least
    return any(not isinstance(state, LiveModel) for state in timeline.states[least:])
