"""Records what the clients did and saw, and knows while the load runs when each partition was last served."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from tensorfleet.domain.names import partition_of
from tests.faults.checker.history import Download, History, Operation, Outcome, Read


@dataclass(slots=True)
class Recorder:
    """`served` and `visible`: when commands of a partition were acknowledged, and acknowledged as projected.

    `asked_served`, `asked_visible`: when the newest request was sent that got such an answer. Only what is new counts,
    a position beyond all before it: any instance that has read a command answers its retries, and one that changes
    nothing is visible at once, even while nobody can carry one out or make it visible.
    """

    partitions: int
    operations: list[Operation] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    downloads: list[Download] = field(default_factory=list)
    served: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    visible: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    asked_served: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    asked_visible: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    answers: Counter[str] = field(default_factory=Counter)
    _newest_served: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: -1))
    _newest_visible: dict[int, int] = field(default_factory=lambda: defaultdict(lambda: -1))

    def add(self, one: Operation) -> None:
        self.operations.append(one)
        self.answers.update(f"{attempt.status} {attempt.code}".strip() for attempt in one.attempts)
        if one.last.acknowledged and len(one.attempts) == 1:
            number = partition_of(one.model_id, self.partitions)
            if self._is_new(self._newest_served, number, one):
                self.served[number].append(one.last.ended_at)
                self.asked_served[number] = max(self.asked_served[number], one.last.sent_at)
            if one.last.projected and self._is_new(self._newest_visible, number, one):
                self.visible[number].append(one.last.ended_at)
                self.asked_visible[number] = max(self.asked_visible[number], one.last.sent_at)

    def _is_new(self, newest: dict[int, int], number: int, one: Operation) -> bool:
        """Of a batch, the newest position of the partition stands for all its commands."""
        offset = max((at.offset for at in one.last.positions if at.partition == number), default=-1)
        before, newest[number] = newest[number], max(newest[number], offset)
        return offset > before

    def history(self) -> History:
        return History(tuple(self.operations), tuple(self.reads), tuple(self.downloads))

    def outcomes(self) -> Counter[Outcome]:
        return Counter(one.outcome for one in self.operations)

    def is_served_since(self, at: float) -> bool:
        """Whether every partition has acknowledged a command, and made one visible, that was sent after `at`.

        Not merely answered: answers that were on their way before a fault arrive after it.
        """
        asked = (self.asked_served, self.asked_visible)
        return all(times[number] > at for times in asked for number in range(self.partitions))

    def longest_gap(self, times: dict[int, list[float]], began: float, ended: float) -> float:
        """The longest time without, of all partitions, that touches the time from `began` to `ended`."""
        return max(_longest_gap(times[number], began, ended) for number in range(self.partitions))

    def longest_pause(self, times: dict[int, list[float]], began: float, ended: float) -> float:
        """The longest time without, of all partitions, within a time that gave no reason for it."""
        within = ([at for at in times[number] if began <= at <= ended] for number in range(self.partitions))
        return max(later - earlier for one in within for earlier, later in pairwise([began, *sorted(one), ended]))


def _longest_gap(times: list[float], began: float, ended: float) -> float:
    points = [*times, max(ended, times[-1] if times else began)] if times else [began, ended]
    touching = [later - earlier for earlier, later in pairwise(sorted(points)) if later >= began and earlier <= ended]
    return max(touching, default=0.0)


def now() -> float:
    """The clients' common clock."""
    return time.monotonic()
