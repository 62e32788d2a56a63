"""The table that a run prints: one row per figure, beside its comparison and its limit."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEADINGS = ("figure", "measured", "beside", "limit", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """`met` is None where nothing is promised."""

    figure: str
    measured: str
    beside: str = ""
    limit: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        met = "" if self.met is None else "yes" if self.met else "no"
        return self.figure, self.measured, self.beside, self.limit, met


def render(rows: Iterable[Row]) -> str:
    """As Markdown, padded so that it reads as plain text too."""
    lines = [_HEADINGS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    padded = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def milliseconds(values: Sequence[float]) -> str:
    """p50 and p99 of durations in seconds."""
    return f"{percentile(values, 0.5) * 1000:.1f} / {percentile(values, 0.99) * 1000:.1f} ms"
