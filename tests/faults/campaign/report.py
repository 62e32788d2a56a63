"""What a run amounts to, in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.campaign.runner import Injected
from tests.faults.checker import Kind, Violation
from tests.faults.checker.folded import FoldedLog
from tests.faults.checker.history import Outcome
from tests.faults.world.world import World

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Report:
    """`failures`: what was not served again, or never reached the log's end. `late`: what was, over its limit."""

    injected: Sequence[Injected]
    violations: Sequence[Violation]
    failures: Sequence[str]
    late: Sequence[str]
    text: str

    @property
    def passed(self) -> bool:
        return not self.violations and not self.failures and not self.late


def report(
    world: World, injected: Sequence[Injected], failures: Sequence[str], violations: Sequence[Violation], log: FoldedLog
) -> Report:
    late = [f"{one.fault.name}: {what}" for one in injected for what in one.over_its_limits(world)]
    parts = [
        _counts(world, log),
        _faults(world, injected),
        _lines("services that ended by themselves", _ended(world)),
        _lines("failures", failures),
        _lines("over the limit", late),
        _violations(violations),
    ]
    return Report(injected, violations, failures, late, "\n\n".join(part for part in parts if part))


def _counts(world: World, log: FoldedLog) -> str:
    recorder, outcomes = world.recorder, world.recorder.outcomes()
    rows = {
        "commands sent": len(recorder.operations),
        **{name.name.lower(): outcomes[name] for name in Outcome},
        "requests for them": sum(recorder.answers.values()),
        "reads": len(recorder.reads),
        "downloads": len(recorder.downloads),
        "records in the log": sum(log.verdicts.values()),
        **{f"  {verdict}": number for verdict, number in sorted(log.verdicts.items())},
        "ownership claims by partition": dict(sorted(world.watch.claims.items())),
    }
    answers = ", ".join(f"{name}: {number}" for name, number in recorder.answers.most_common())
    return "\n".join(f"{name:32} {number}" for name, number in rows.items()) + f"\nanswers: {answers}"


def _faults(world: World, injected: Iterable[Injected]) -> str:
    """The longest time without service, and without anything new to see, by kind, and while no fault is at work."""
    injected = list(injected)
    head = f"{'fault':58} {'times':>5} {'unserved s':>10} {'invisible s':>11}"
    grouped: dict[str, list[Injected]] = {}
    for one in injected:
        target = one.fault.target.rstrip("-0123456789").removesuffix(" ")
        grouped.setdefault(f"{one.fault.kind} {target}", []).append(one)
    rows = [
        f"{name:58} {len(group):5} {max(one.unserved(world) for one in group):10.1f} "
        f"{max(one.invisible(world) for one in group):11.1f}"
        for name, group in sorted(grouped.items())
    ]
    return "\n".join([head, *rows, _between(world, injected), f"{len(injected)} faults of {len(grouped)} kinds"])


def _between(world: World, injected: Sequence[Injected]) -> str:
    recorder = world.recorder
    times = [(one.recovered_at, after.began_at) for one, after in pairwise(injected)]
    unserved, invisible = (
        max((recorder.longest_pause(kind, *time) for time in times), default=0.0)
        for kind in (recorder.served, recorder.visible)
    )
    return f"{'(none: from recovery to the next fault)':58} {len(times):5} {unserved:10.1f} {invisible:11.1f}"


def _ended(world: World) -> list[str]:
    return [f"{one.name}: status {one.status}\n{one.said}" for one in world.services.ended]


def _violations(violations: Sequence[Violation]) -> str:
    counts = Counter(one.kind for one in violations)
    lines = [f"{len(violations)} violations", *(f"{counts[kind]:6} {kind}" for kind in Kind if counts[kind])]
    examples = [str(one) for kind in Kind for one in [v for v in violations if v.kind is kind][:_SHOWN]]
    return "\n".join([*lines, *examples])


def _lines(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}: {len(lines)}", *lines]) if lines else ""
