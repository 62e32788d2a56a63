"""Progress on stderr: a bar where someone looks at a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from tensorfleet.progress import Progress

_LINE_EVERY_SECONDS: Final = 10.0


@contextmanager
def shown_progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bar(bars)


class _Rate(ProgressColumn):
    """How many a second, lately."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


class _Bar:
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=total)

    def advance(self, number: int = 1) -> None:
        assert self._task is not None
        self._bars.advance(self._task, number)


class _Lines:
    def __init__(self) -> None:
        self._what, self._done, self._total, self._began, self._told = "", 0, 0, 0.0, 0.0

    def begin(self, what: str, total: int) -> None:
        self._what, self._done, self._total = what, 0, total
        self._began = self._told = time.monotonic()
        sys.stderr.write(f"{what}: {total:,}\n")

    def advance(self, number: int = 1) -> None:
        self._done += number
        now = time.monotonic()
        if now > self._told + _LINE_EVERY_SECONDS:
            self._told = now
            rate = self._done / (now - self._began)
            left = max(0, self._total - self._done) / max(rate, 1e-9)
            sys.stderr.write(f"{self._what}: {self._done:,} of {self._total:,}, {rate:,.0f}/s, {left:,.0f} s left\n")
